"""`oc secret-store update`."""

from __future__ import annotations

from oc.cli import output, secret_stores
from oc.cli.command import Argument, Command
from oc.cli.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    body: dict[str, object] = {}
    if arguments.name is not None:
        body["name"] = arguments.name
    if arguments.egress_allowlist is not None:
        body["egressAllowlist"] = secret_stores.hosts(arguments.egress_allowlist)
    if not body:
        raise UsageError("nothing to change", hint="give --name or --egress-allowlist")
    api = context.api()
    store = api.object("PUT", secret_stores.target(api, arguments.STORE), body, needs=secret_stores.NEEDS)
    return context.show(store, lambda: output.line(f"Secret store {output.printable(store['name'])} updated."))


COMMAND = Command(
    run,
    Argument("STORE", help="its name or id, as oc secret-store list shows them"),
    Argument("--name", metavar="NAME", help="its new name"),
    Argument(
        "--egress-allowlist",
        metavar="HOSTS",
        action="append",
        help='hosts that its sandboxes may reach, all of them; "" lets them reach any',
    ),
    examples=("oc secret-store update my-secrets --egress-allowlist api.example.com",),
)
