"""`oc secret delete`."""

from __future__ import annotations

from oc.cli import output, secret_stores
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    api = context.api()
    api.delete(secret_stores.target(api, arguments.STORE, "secrets", arguments.NAME))
    deleted = {"name": arguments.NAME, "status": "deleted"}
    return context.show(deleted, lambda: output.line(f"Secret {output.printable(arguments.NAME)} deleted."))


COMMAND = Command(
    run,
    Argument("STORE", help="its name or id, as oc secret-store list shows them"),
    Argument("NAME", help="of the secret"),
    examples=("oc secret delete my-secrets OPENAI_API_KEY",),
)
