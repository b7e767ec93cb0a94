"""`oc secret-store delete`."""

from __future__ import annotations

from oc.cli import output, secret_stores
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    api = context.api()
    api.call("DELETE", secret_stores.target(api, arguments.STORE))
    deleted = {"id": arguments.STORE, "status": "deleted"}
    return context.show(deleted, lambda: output.line(f"Secret store {output.printable(arguments.STORE)} deleted."))


COMMAND = Command(
    run,
    Argument("STORE", help="its name or id, as oc secret-store list shows them"),
    notes="Its secrets are deleted with it.",
    examples=("oc secret-store delete my-secrets",),
)
