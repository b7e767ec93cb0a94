"""`oc sandbox kill`."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    query = "?deleteSecretStore=true" if arguments.delete_secret_store else ""
    context.api().call("DELETE", path("sandboxes", arguments.ID) + query)
    killed = {"sandboxID": arguments.ID, "status": "stopped"}
    return context.show(killed, lambda: output.line(f"Sandbox {arguments.ID} killed."))


COMMAND = Command(
    run,
    Argument("ID", help="sandbox, as sb-1a2b3c4d"),
    Argument("--delete-secret-store", action="store_true", help="delete its secret store, too"),
    examples=("oc sandbox kill sb-1a2b3c4d",),
)
