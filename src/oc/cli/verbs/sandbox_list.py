"""`oc ls`, `oc sandbox list`."""

from __future__ import annotations

import time

from oc.cli import output
from oc.cli.command import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from oc.cli.context import Context

HEAD = ("ID", "TEMPLATE", "STATUS", "CPU", "MEM", "AGE")


def run(context: Context, arguments: Namespace) -> int:
    sandboxes = context.api().array("GET", "/sandboxes", needs=("sandboxID",))
    return context.show(sandboxes, lambda: _print(sandboxes, colour=context.colour))


def _print(sandboxes: list[dict[str, Any]], *, colour: bool) -> None:
    if not sandboxes:
        output.line("No sandboxes found.")
        return
    now = time.time()
    output.table(HEAD, (_row(sandbox, now) for sandbox in sandboxes), colour=colour)


def _row(sandbox: dict[str, Any], now: float) -> tuple[object, ...]:
    return (
        sandbox["sandboxID"],
        sandbox.get("templateID") or "-",
        sandbox.get("status") or "-",
        sandbox.get("cpuCount") or "-",
        f"{sandbox.get('memoryMB') or 0}MB",
        output.age(sandbox.get("startedAt"), now),
    )


COMMAND = Command(run, examples=("oc ls", "oc ls --json | jq -r '.[].sandboxID'"))
