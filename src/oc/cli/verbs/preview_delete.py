"""`oc preview delete`."""

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
    id, port = arguments.SANDBOX, arguments.PORT
    context.api().delete(path("sandboxes", id, "preview", str(port)))
    deleted = {"sandboxId": id, "port": port, "status": "deleted"}
    return context.show(deleted, lambda: output.line(f"Preview URL of port {port} deleted."))


COMMAND = Command(
    run,
    Argument("SANDBOX", help="sandbox, as sb-1a2b3c4d"),
    Argument("PORT", type=natural, help="as oc preview list shows it"),
    notes="Its own domain leads nowhere then. By its number the port can still be reached, as any other can.",
    examples=("oc preview delete sb-1a2b3c4d 3000",),
)
