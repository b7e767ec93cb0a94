"""`oc sandbox wake`."""

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
    id = arguments.ID
    body = {"timeout": arguments.timeout} if arguments.timeout else {}
    sandbox = context.api().object("POST", path("sandboxes", id, "wake"), body, needs=("status",))
    status = output.printable(sandbox["status"])
    return context.show(sandbox, lambda: output.line(f"Sandbox {id} woke up (status: {status})"))


COMMAND = Command(
    run,
    Argument("ID", help="sandbox, as sb-1a2b3c4d"),
    Argument(
        "--timeout", metavar="S", type=natural, default=0, help="hibernate after S idle seconds; 0: never (default)"
    ),
    examples=("oc sandbox wake sb-1a2b3c4d", "oc sandbox wake $ID --timeout 600"),
)
