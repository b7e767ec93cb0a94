"""Where a connection of a sandbox may go: the rules of egress, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from oc.egress.addresses import public
from oc.egress.names import Address
from oc.egress.pins import Pins
from oc.egress.policy import Policy
from oc.egress.refusal import Reason, RefusedError
from oc.egress.resolver import Resolver


@dataclass(frozen=True)
class Dialled:
    """What the sandbox connected to: an address (redirected to us, or a CONNECT with an address), or CONNECT's name."""

    target: str | Address
    port: int

    @property
    def address(self) -> Address | None:
        return None if isinstance(self.target, str) else self.target


@dataclass(frozen=True)
class Route:
    """A permitted way. `name` is what TLS, Host and certificates must be about; None: the address itself is allowed."""

    name: str | None
    addresses: tuple[Address, ...]
    port: int

    @property
    def host(self) -> str:
        return self.name or str(self.addresses[0])


def still_open(policy: Policy | None, name: str | None, address: Address) -> bool:
    """What was permitted once is so by the policy of now."""
    if policy is None:
        return False
    if name is None:
        return policy.opens(address)
    return policy.names(name) and (policy.opens(address) or public(address))


class Routes:
    """The ways of one sandbox. All raise RefusedError."""

    def __init__(self, source: str, pins: Pins, resolver: Resolver) -> None:
        self.source = source
        self.pins = pins
        self.resolver = resolver

    async def named(self, policy: Policy, dialled: Dialled, claimed: str | Address | None) -> Route:
        """Of TLS and HTTP, where the client says which host it means (server_name, Host); `claimed` is that."""
        name = self.meant(policy, dialled, claimed)
        if name is not None:
            return Route(name, await self.reachable(policy, name), dialled.port)
        if dialled.address is None or not policy.opens(dialled.address):
            raise unnamed(policy, dialled)
        return Route(None, (dialled.address,), dialled.port)

    def meant(self, policy: Policy, dialled: Dialled, claimed: str | Address | None) -> str | None:
        """The name, permitted and consistent; None if only an address is in play."""
        if policy.deny_all:
            raise RefusedError(Reason.DENY_ALL, str(claimed or dialled.target))
        if isinstance(dialled.target, str):
            if claimed not in (None, dialled.target):
                raise RefusedError(Reason.MISMATCH, str(claimed), f"the connection was opened for {dialled.target}")
            return permitted(policy, dialled.target)
        if not isinstance(claimed, str):
            if claimed not in (None, dialled.target):
                raise RefusedError(Reason.MISMATCH, str(claimed), f"the connection was opened for {dialled.target}")
            return None
        name = permitted(policy, claimed)
        if not policy.opens(dialled.target) and name not in self.pins.names(self.source, dialled.target):
            raise RefusedError(Reason.DIRECT, name, f"{dialled.target} was not an answer of the resolver for this name")
        return name

    async def raw(self, policy: Policy, dialled: Dialled) -> Route:
        """Of other protocols, which name no host: the address counts, by what the resolver said that it is."""
        if policy.deny_all:
            raise RefusedError(Reason.DENY_ALL, str(dialled.target))
        if isinstance(dialled.target, str):
            name = permitted(policy, dialled.target)
            return Route(name, await self.reachable(policy, name), dialled.port)
        address = dialled.target
        if policy.opens(address):
            return Route(None, (address,), dialled.port)
        pinned = self.pins.names(self.source, address)
        if not pinned:
            raise unnamed(policy, dialled)
        allowed = next((name for name in pinned if policy.names(name)), None)
        if allowed is None:
            raise RefusedError(Reason.HOST, pinned[0])
        if not public(address):
            raise RefusedError(Reason.PRIVATE, allowed)
        return Route(allowed, (address,), dialled.port)

    async def reachable(self, policy: Policy, name: str) -> tuple[Address, ...]:
        """Addresses that may be connected to. Exactly these are used: asked again, DNS might answer something else."""
        try:
            found = await self.resolver.addresses(self.source, name)
        except TimeoutError:
            found = []
        if not found:
            raise RefusedError(Reason.UNRESOLVED, name)
        usable = tuple(address for address in found if policy.opens(address) or public(address))
        if not usable:
            raise RefusedError(Reason.PRIVATE, name)
        return usable


def unnamed(policy: Policy, dialled: Dialled) -> RefusedError:
    if dialled.address is not None and policy.lists(dialled.address):
        return RefusedError(Reason.PRIVATE, str(dialled.target))
    return RefusedError(Reason.DIRECT, str(dialled.target), "connect to a host name, or allow the address")


def permitted(policy: Policy, name: str) -> str:
    if not policy.names(name):
        raise RefusedError(Reason.HOST, name)
    return name
