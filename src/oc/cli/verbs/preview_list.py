"""`oc preview list`."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from oc.cli.context import Context

HEAD = ("PORT", "HOSTNAME", "SSL", "CREATED")


def run(context: Context, arguments: Namespace) -> int:
    target = path("sandboxes", arguments.SANDBOX, "preview")
    previews = context.api().array("GET", target, needs=("port", "hostname"))
    return context.show(previews, lambda: _print(previews))


def _print(previews: list[dict[str, Any]]) -> None:
    if previews:
        output.table(HEAD, map(_row, previews))
    else:
        output.line("No preview URLs found.")


def _row(preview: dict[str, Any]) -> tuple[object, ...]:
    return (
        preview["port"],
        preview.get("customHostname") or preview["hostname"],
        preview.get("sslStatus") or "-",
        output.instant(preview.get("createdAt")),
    )


COMMAND = Command(
    run,
    Argument("SANDBOX", help="sandbox, as sb-1a2b3c4d"),
    examples=("oc preview list sb-1a2b3c4d", "oc preview list $ID --json | jq -r '.[].url'"),
)
