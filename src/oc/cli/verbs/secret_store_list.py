"""`oc secret-store list`."""

from __future__ import annotations

import time

from oc.cli import output
from oc.cli.command import Command
from oc.cli.secret_stores import NEEDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from oc.cli.context import Context


HEAD = ("ID", "NAME", "EGRESS ALLOWLIST", "CREATED")


def run(context: Context, arguments: Namespace) -> int:
    stores = context.api().array("GET", "/secret-stores", needs=NEEDS)
    return context.show(stores, lambda: _print(stores))


def _print(stores: list[dict[str, Any]]) -> None:
    if stores:
        output.table(HEAD, map(_row, stores))
    else:
        output.line("No secret stores found.")


def _row(store: dict[str, Any]) -> tuple[object, ...]:
    egress = ", ".join(store.get("egressAllowlist") or ()) or "(all)"
    return store["id"], store["name"], egress, f"{output.age(store.get('createdAt'), time.time())} ago"


COMMAND = Command(run, examples=("oc secret-store list", "oc secret-store list --json | jq -r '.[].name'"))
