"""`oc patch delete`."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    checkpoint, patch = arguments.CHECKPOINT, arguments.PATCH
    context.api().delete(path("sandboxes", "checkpoints", checkpoint, "patches", patch))
    deleted = {"id": patch, "checkpointId": checkpoint, "status": "deleted"}
    return context.show(deleted, lambda: output.line(f"Patch {patch} deleted."))


COMMAND = Command(
    run,
    Argument("CHECKPOINT", help="its id, as oc checkpoint list shows it"),
    Argument("PATCH", help="its id, as oc patch list shows it"),
    examples=("oc patch delete $CP $PATCH",),
)
