"""`oc sandbox set-timeout`."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command
from oc.cli.values import natural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    id, seconds = arguments.ID, arguments.SECONDS
    context.api().call("POST", path("sandboxes", id, "timeout"), {"timeout": seconds})
    updated = {"sandboxID": id, "timeout": seconds}
    return context.show(updated, lambda: output.line(f"Timeout updated to {seconds}s for sandbox {id}"))


COMMAND = Command(
    run,
    Argument("ID", help="sandbox, as sb-1a2b3c4d"),
    Argument("SECONDS", type=natural, help="idle seconds after which it hibernates; 0: never"),
    examples=("oc sandbox set-timeout sb-1a2b3c4d 600",),
)
