"""What a governed sandbox may send, and to whom (contract 2.11, decision 0014)."""

from __future__ import annotations

import msgspec


class Rules(msgspec.Struct, frozen=True, rename="camel"):
    """What a sandbox may reach, as its owner says. `allow_hosts`: None says nothing of hosts."""

    deny_all: bool = False
    allow_hosts: tuple[str, ...] | None = None  # patterns
    allow_cidrs: tuple[str, ...] = ()


class Egress(msgspec.Struct, frozen=True):
    """What is kept of a sandbox: which secrets it may use, and its rules. A policy is made of it at each start."""

    stores: tuple[str, ...] = ()  # ids of secret stores; of secrets with one name, the last store's counts
    sealed: dict[str, str] = {}  # placeholders by the names of secrets
    rules: Rules | None = None

    @property
    def governed(self) -> bool:
        return bool(self.stores) or self.rules is not None


class Grant(msgspec.Struct, frozen=True):
    """A secret: what stands for it inside, its value, and the hosts that may get it. Never written to a disk."""

    name: str
    placeholder: str
    value: str
    hosts: tuple[str, ...]  # patterns; empty: any host that is permitted

    def __repr__(self) -> str:
        return f"Grant({self.name})"  # errors and logs print what they are given


class Policy(msgspec.Struct, frozen=True, rename="camel"):
    """`allow_hosts`: None permits any host. The proxy reads this as JSON (`oc.egress`)."""

    sandbox: str
    deny_all: bool = False
    allow_hosts: tuple[str, ...] | None = None
    allow_cidrs: tuple[str, ...] = ()
    secrets: tuple[Grant, ...] = ()

    def permits(self, host: str) -> bool:
        """`host` in lower case, without a dot at its end."""
        if self.deny_all:
            return False
        return self.allow_hosts is None or any(matches(pattern, host) for pattern in self.allow_hosts)


def matches(pattern: str, host: str) -> bool:
    """Exact, `*.example.com` (what is below it, not itself), or `*`."""
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return pattern in ("*", host)
