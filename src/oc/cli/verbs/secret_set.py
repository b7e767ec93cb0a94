"""`oc secret set`."""

from __future__ import annotations

import os

from oc.cli import output, secret_stores
from oc.cli.command import Argument, Command
from oc.cli.errors import CliError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    body: dict[str, object] = {"value": _value(arguments)}
    if arguments.allowed_hosts:
        body["allowedHosts"] = secret_stores.hosts(arguments.allowed_hosts)
    api = context.api()
    target = secret_stores.target(api, arguments.STORE, "secrets", arguments.NAME)
    answer = api.object("PUT", target, body, needs=("name",))
    return context.show(answer, lambda: output.line(f"Secret {output.printable(answer['name'])} set."))


def _value(arguments: Namespace) -> str:
    """Raises UsageError, and CliError when there is none."""
    if arguments.VALUE is not None and arguments.from_stdin:
        raise UsageError("give the value or --from-stdin, not both")
    value: str = arguments.VALUE if arguments.VALUE is not None else _asked()
    if not value:
        raise CliError("the value is empty")
    return value


def _asked() -> str:
    """From a prompt that shows nothing, or from standard input: in no list of processes and in no shell's history."""
    if os.isatty(output.STDIN):
        from getpass import getpass

        return getpass("Value: ")
    with os.fdopen(output.STDIN, "rb", closefd=False) as stdin:
        return stdin.read().decode("utf-8", "replace").removesuffix("\n")


COMMAND = Command(
    run,
    Argument("STORE", help="its name or id, as oc secret-store list shows them"),
    Argument("NAME", help="of the environment variable"),
    Argument("VALUE", nargs="?", help="better left out: it is then asked for, or read from standard input"),
    Argument("--from-stdin", action="store_true", help="read the value from standard input, to its end"),
    Argument(
        "--allowed-hosts",
        metavar="HOSTS",
        action="append",
        default=[],
        help="hosts that may get it, as api.example.com,*.example.org (default: any that the store permits)",
    ),
    notes="Sandboxes that run use the new value at once.",
    examples=(
        "oc secret set my-secrets OPENAI_API_KEY --allowed-hosts api.openai.com",
        'printf %s "$TOKEN" | oc secret set my-secrets GITHUB_TOKEN --from-stdin --allowed-hosts api.github.com',
    ),
)
