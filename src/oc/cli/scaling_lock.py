"""Whether a sandbox may be scaled: what its three commands have in common."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context

ID = Argument("ID", help="sandbox, as sb-1a2b3c4d")


def run(context: Context, arguments: Namespace, locked: bool | None) -> int:
    """None: only shows it."""
    method, body = ("GET", None) if locked is None else ("PUT", {"locked": locked})
    answer = context.api().object(method, path("sandboxes", arguments.ID, "scaling-lock"), body, needs=("locked",))
    state = "locked" if answer["locked"] else "unlocked"
    return context.show(answer, lambda: output.line(f"Scaling of sandbox {arguments.ID} is {state}"))
