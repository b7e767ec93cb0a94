"""Commands that say who may create sandboxes from a checkpoint."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context


def publication(verb: str) -> Command:
    def run(context: Context, arguments: Namespace) -> int:
        target = path("sandboxes", "checkpoints", arguments.CHECKPOINT, verb)
        checkpoint = context.api().object("POST", target, needs=("id", "isPublic"))
        public = str(bool(checkpoint["isPublic"])).lower()
        return context.show(
            checkpoint, lambda: output.line(f"Checkpoint {arguments.CHECKPOINT} {verb}ed (public: {public})")
        )

    return Command(
        run,
        Argument("CHECKPOINT", help="its id, as oc checkpoint list shows it"),
        examples=(f"oc checkpoint {verb} $CP",),
    )
