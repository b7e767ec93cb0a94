"""`oc secret-store create`."""

from __future__ import annotations

from oc.cli import output, secret_stores
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    body: dict[str, object] = {"name": arguments.name}
    if arguments.egress_allowlist:
        body["egressAllowlist"] = secret_stores.hosts(arguments.egress_allowlist)
    store = context.api().object("POST", "/secret-stores", body, needs=secret_stores.NEEDS)
    name, id = output.printable(store["name"]), output.printable(store["id"])
    return context.show(store, lambda: output.line(f"Secret store created: {name} ({id})"))


COMMAND = Command(
    run,
    Argument("--name", metavar="NAME", required=True, help="by which sandboxes ask for it"),
    Argument(
        "--egress-allowlist",
        metavar="HOSTS",
        action="append",
        default=[],
        help="hosts that its sandboxes may reach, as api.example.com,*.example.org (default: any)",
    ),
    examples=(
        "oc secret-store create --name my-secrets",
        "oc secret-store create --name ci --egress-allowlist api.github.com,*.pypi.org",
    ),
)
