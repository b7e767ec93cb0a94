"""`oc sandbox get`."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context

LINES = {"ID": "sandboxID", "Template": "templateID", "Status": "status", "CPU": "cpuCount"}
ERRORS = {"Patch error": "patchError", "Restore error": "restoreError", "Killed for memory": "memoryKills"}


def run(context: Context, arguments: Namespace) -> int:
    sandbox = context.api().object("GET", path("sandboxes", arguments.ID), needs=("sandboxID", "status"))
    lines = [(label, sandbox.get(key) or "-") for label, key in LINES.items()]
    lines.append(("Memory", f"{sandbox.get('memoryMB') or 0}MB"))
    lines += [(label, sandbox.get(key) or "-") for label, key in (("Started", "startedAt"), ("Ends", "endAt"))]
    lines += [(label, sandbox[key]) for label, key in ERRORS.items() if sandbox.get(key)]
    return context.show(sandbox, lambda: output.fields(lines))


COMMAND = Command(
    run,
    Argument("ID", help="sandbox, as sb-1a2b3c4d"),
    examples=("oc sandbox get sb-1a2b3c4d", "oc sandbox get $ID --json | jq -r .status"),
)
