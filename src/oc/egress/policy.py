"""Who may reach what: one file a governed sandbox, named by its address. No file: nothing."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from oc.egress.addresses import public, within
from oc.egress.names import Address
from oc.egress.stored import Stored

PLACEHOLDER = re.compile(r"osb_sealed_[0-9a-f]{32}")


@dataclass(frozen=True)
class Patterns:
    """Host names: exact, `*.suffix` (any number of labels before it, at least one) or `*`."""

    exact: frozenset[str]
    suffixes: tuple[str, ...]
    everything: bool

    @classmethod
    def of(cls, texts: list[str]) -> Patterns:
        lower = [text.lower().removesuffix(".") for text in texts]
        return cls(
            frozenset(text for text in lower if "*" not in text),
            tuple(text[1:] for text in lower if text.startswith("*.") and "*" not in text[1:]),
            "*" in lower,
        )

    def match(self, name: str) -> bool:
        return self.everything or name in self.exact or name.endswith(self.suffixes)


@dataclass(frozen=True)
class Secret:
    name: str
    placeholder: str
    value: str
    hosts: Patterns | None  # None: any host that the sandbox may reach

    def goes_to(self, host: str) -> bool:
        return self.hosts is None or self.hosts.match(host)


@dataclass(frozen=True)
class Policy:
    sandbox: str
    deny_all: bool
    hosts: Patterns | None  # None: any host
    cidrs: tuple[IPv4Network | IPv6Network, ...]
    secrets: tuple[Secret, ...]
    private: tuple[IPv4Network | IPv6Network, ...] = ()  # what `cidrs` may open beside the internet: the host's say

    def names(self, name: str) -> bool:
        """The host may be reached by this name."""
        return not self.deny_all and (self.hosts is None or self.hosts.match(name))

    def opens(self, address: Address) -> bool:
        """The address itself is allowed, without a name."""
        return self.lists(address) and (public(address) or within(address, self.private))

    def lists(self, address: Address) -> bool:
        return not self.deny_all and within(address, self.cidrs)

    def secrets_for(self, host: str) -> list[Secret]:
        return [secret for secret in self.secrets if secret.goes_to(host)]


class Policies:
    def __init__(self, directory: Path, private: tuple[IPv4Network | IPv6Network, ...] = ()) -> None:
        self.directory = directory
        self.files = Stored(partial(parse, private=private))

    def of(self, source: str) -> Policy | None:
        """Of the sandbox at this address, as it is now."""
        return self.files.get(self.directory / f"{source}.json")


def parse(data: bytes, private: tuple[IPv4Network | IPv6Network, ...]) -> Policy:
    """Raises ValueError, TypeError, KeyError or AttributeError."""
    body = json.loads(data)
    allowed = body["allowHosts"]
    return Policy(
        sandbox=text(body["sandbox"]),
        deny_all=body["denyAll"] is not False,
        hosts=None if allowed is None else Patterns.of(allowed),
        cidrs=tuple(ip_network(cidr, strict=False) for cidr in body["allowCidrs"]),
        secrets=tuple(secret(item) for item in body["secrets"]),
        private=private,
    )


def secret(item: Any) -> Secret:
    if not PLACEHOLDER.fullmatch(item["placeholder"]):
        raise ValueError("this is not a placeholder")
    value = text(item["value"])
    if not value:
        raise ValueError("an empty value would be found everywhere")
    return Secret(text(item["name"]), item["placeholder"], value, Patterns.of(item["hosts"]) if item["hosts"] else None)


def text(value: Any) -> str:
    """Raises UnicodeEncodeError (a ValueError) for what cannot be sent."""
    if not isinstance(value, str):
        raise TypeError("this is not a text")
    value.encode()
    return value
