"""`oc audit`."""

from __future__ import annotations

from oc.cli import output, values
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from oc.cli.api import Api
    from oc.cli.context import Context

HEAD = ("TIME", "ACTOR", "ADDRESS", "CALL", "OBJECT", "STATUS")
NEEDS = ("at", "actor", "call", "status")
DEFAULT, MOST_AT_ONCE = 50, 500


def run(context: Context, arguments: Namespace) -> int:
    filters = {name: getattr(arguments, name) for name in ("since", "call", "object", "actor")}
    entries = _entries(context.api(), {name: value for name, value in filters.items() if value}, arguments.limit)
    return context.show(entries, lambda: _print(entries))


def _entries(api: Api, filters: dict[str, str], limit: int) -> list[dict[str, Any]]:
    """Page by page: one may be short, or empty, though there is more."""
    from urllib.parse import urlencode

    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while len(found) < limit:
        asked = {"limit": str(min(limit - len(found), MOST_AT_ONCE)), **filters, **cursor}
        page = api.object("GET", f"/audit?{urlencode(asked)}", needs=("entries", "next"))
        found += [entry for entry in page["entries"] if entry.keys() >= set(NEEDS)]
        if not page["next"]:
            break
        cursor = {"cursor": page["next"]}
    return found


def _print(entries: list[dict[str, Any]]) -> None:
    if entries:
        output.table(HEAD, map(_row, entries))
    else:
        output.line("No entries found.")


def _row(entry: dict[str, Any]) -> tuple[object, ...]:
    return (
        output.instant(entry["at"]),
        entry["actor"],
        entry.get("address") or "-",
        entry["call"],
        entry.get("object") or "-",
        entry["status"] or "-",
    )


COMMAND = Command(
    run,
    Argument("--since", type=values.instant, metavar="TIME", help="as 2026-01-02T03:04:05Z, or ago: 30m, 24h, 7d"),
    Argument("--call", metavar="NAME", help="only this call, as createSandbox, setSecret or signIn"),
    Argument("--object", metavar="ID", help="only what was done to this sandbox, checkpoint, secret store, key..."),
    Argument("--actor", metavar="TEXT", help="only whose name holds this: an e-mail address, or a key's name"),
    Argument(
        "--limit", type=values.positive, default=DEFAULT, metavar="N", help=f"at most so many (default: {DEFAULT})"
    ),
    notes="Every call that changes something is in it, whether it was done or refused; commands and values are not.",
    examples=("oc audit --since 24h", "oc audit --object sb-1a2b3c4d", "oc audit --call setSecret --json"),
)
