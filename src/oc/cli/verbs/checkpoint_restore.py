"""`oc checkpoint restore`."""

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
    answer = context.api().object(
        "POST", path("sandboxes", id, "checkpoints", checkpoint, "restore"), needs=("status",)
    )
    return context.show(answer, lambda: output.line(f"Sandbox {id} restored to checkpoint {checkpoint}"))


COMMAND = Command(
    run,
    Argument("ID", help="sandbox, as sb-1a2b3c4d"),
    Argument("CHECKPOINT", help="the id of one of its checkpoints, as oc checkpoint list shows it"),
    notes=(
        "Its disk, and with a full checkpoint its memory and processes, are as they were; what came after is lost.\n"
        "Commands that follow wait until it is done. Should it fail, oc sandbox get says why, and nothing is changed."
    ),
    examples=("oc checkpoint restore sb-1a2b3c4d $CP",),
)
