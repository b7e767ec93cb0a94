"""`oc sandbox allowed-hosts`."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    target = path("sandboxes", arguments.ID, "allowed-hosts")
    answer = context.api().object("GET", target, needs=("sandboxID", "egressAllowlist"))
    return context.show(answer, lambda: _print(answer))


def _print(answer: dict[str, Any]) -> None:
    if not answer.get("secretStore"):
        output.line("No secret store is attached to this sandbox.")
        return
    output.line(f"Secret store: {output.printable(answer['secretStore'])}")
    if base := answer.get("baseSecretStore"):
        output.line(f"Base secret store: {output.printable(base)}")
    output.line("Hosts that it may reach:")
    _list(answer["egressAllowlist"] or ["(all)"])
    for name, hosts in sorted((answer.get("perSecretAllowedHosts") or {}).items()):
        output.line(f"Hosts that may get {output.printable(name)}:")
        _list(hosts)


def _list(hosts: list[str]) -> None:
    for host in hosts:
        output.line(f"  - {output.printable(host)}")


COMMAND = Command(
    run,
    Argument("ID", help="sandbox, as sb-1a2b3c4d"),
    examples=("oc sandbox allowed-hosts sb-1a2b3c4d",),
)
