"""What a sandbox may reach: the flags that say it, and how it is shown."""

from __future__ import annotations

from oc.cli import output
from oc.cli.command import Argument
from oc.cli.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator
    from typing import Any

FLAGS = (
    Argument(
        "--allow-host",
        metavar="HOST",
        action="append",
        default=[],
        help="let it reach this and nothing else: a host name, *.example.com, or a network as 203.0.113.0/24",
    ),
    Argument("--deny-all", action="store_true", help="let it reach nothing"),
)


def rules(arguments: Namespace) -> dict[str, Any] | None:
    """None: nothing is said. Raises UsageError."""
    words = [word.strip() for text in arguments.allow_host for word in text.split(",") if word.strip()]
    if arguments.deny_all and words:
        raise UsageError("--deny-all and --allow-host exclude each other")
    if arguments.deny_all:
        return {"denyAll": True}
    if not words:
        return None
    networks = [word for word in words if _is_network(word)]
    return {"allowHosts": [word for word in words if word not in networks], "allowCidrs": networks}


def _is_network(word: str) -> bool:
    """Of digits: the server says what is wrong with one."""
    return not set(word) - set("0123456789./")


def lines(egress: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if not egress.get("governed"):
        yield "Egress", "any host"
        return
    hosts = egress.get("allowHosts")
    if egress.get("denyAll"):
        yield "Egress", "nothing"
    else:
        yield "Egress", "any host, through the proxy" if hosts is None else ", ".join(hosts) or "no host by name"
    if networks := egress.get("allowCidrs"):
        yield "Networks", ", ".join(networks)
    if stores := egress.get("secretStores"):
        yield "Secret stores", ", ".join(stores)


def refusal(one: dict[str, Any]) -> tuple[str, str, str]:
    return output.instant(one.get("at")), f"{one.get('host')}:{one.get('port')}", str(one.get("reason"))
