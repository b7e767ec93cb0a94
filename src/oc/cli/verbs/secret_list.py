"""`oc secret list`."""

from __future__ import annotations

from oc.cli import output, secret_stores
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from oc.cli.context import Context


HEAD = ("NAME", "ALLOWED HOSTS")


def run(context: Context, arguments: Namespace) -> int:
    api = context.api()
    secrets = api.array("GET", secret_stores.target(api, arguments.STORE, "secrets"), needs=("name",))
    return context.show(secrets, lambda: _print(secrets))


def _print(secrets: list[dict[str, Any]]) -> None:
    if secrets:
        output.table(HEAD, ((one["name"], ", ".join(one.get("allowedHosts") or ()) or "(all)") for one in secrets))
    else:
        output.line("No secrets found.")


COMMAND = Command(
    run,
    Argument("STORE", help="its name or id, as oc secret-store list shows them"),
    notes="Values are never shown.",
    examples=("oc secret list my-secrets",),
)
