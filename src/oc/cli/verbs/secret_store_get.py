"""`oc secret-store get`."""

from __future__ import annotations

from oc.cli import output, secret_stores
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    api = context.api()
    store = api.object("GET", secret_stores.target(api, arguments.STORE), needs=secret_stores.NEEDS)
    return context.show(store, lambda: output.fields(secret_stores.shown(store)))


COMMAND = Command(
    run,
    Argument("STORE", help="its name or id, as oc secret-store list shows them"),
    examples=("oc secret-store get my-secrets",),
)
