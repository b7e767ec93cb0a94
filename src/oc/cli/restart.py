"""Commands that boot a sandbox again from its disk."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context


def restart(verb: str, *, done: str) -> Command:
    """`done` is what has been done to the sandbox."""

    def run(context: Context, arguments: Namespace) -> int:
        id = arguments.ID
        context.api().call("POST", path("sandboxes", id, verb))
        restarted = {"sandboxID": id, "status": "running"}
        return context.show(restarted, lambda: output.line(f"Sandbox {id} {done}."))

    return Command(
        run,
        Argument("ID", help="sandbox, as sb-1a2b3c4d"),
        notes="Its processes and memory are lost, its disk and its id stay.",
        examples=(f"oc sandbox {verb} sb-1a2b3c4d",),
    )
