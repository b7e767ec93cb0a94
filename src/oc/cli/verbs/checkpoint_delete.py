"""`oc checkpoint delete`."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    id, checkpoint = arguments.ID, arguments.CHECKPOINT
    context.api().delete(path("sandboxes", id, "checkpoints", checkpoint))
    deleted = {"id": checkpoint, "sandboxId": id, "status": "deleted"}
    return context.show(deleted, lambda: output.line(f"Checkpoint {checkpoint} deleted."))


COMMAND = Command(
    run,
    Argument("ID", help="sandbox, as sb-1a2b3c4d; also one that was killed"),
    Argument("CHECKPOINT", help="its id, as oc checkpoint list shows it"),
    examples=("oc checkpoint delete sb-1a2b3c4d $CP",),
)
