"""The sandboxes' network: for each, a namespace with one cable to the host and an address of its own.

All state is the kernel's: a namespace `<instance>-<id>`, and a cable whose host end is `<instance>-<slot>` and carries
the sandbox's id as its alias. Slot n has the n-th address after the gateway. A worker that starts anew finds all of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from oc.host import iptables, link, netns, nft, threads
from oc.model.egress import Policy
from oc.model.errors import Failed, Unavailable
from oc.settings import Settings
from oc.worker import firewall, resolver
from oc.worker.governing import Governing
from oc.worker.resolver import Resolver
from oc.worker.screening import Screening
from oc.worker.violations import Violation, Violations

IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
FIRST = 2  # of the network's addresses: after its own and the gateway's


@dataclass(frozen=True, slots=True)
class Attached:
    netns: Path
    address: str


class Network:
    def __init__(self, settings: Settings) -> None:
        self._prefix = f"{settings.instance}-"
        self._instance = settings.instance
        self._range = settings.network
        self._slots = settings.network.num_addresses - FIRST - 1  # the last address is for broadcasts
        # Slots are taken in turn: an address that was just given up may still be known to somebody outside.
        self._next = secrets.randbelow(self._slots)
        self._claimed: set[int] = set()
        self.gateway = str(settings.network[1])
        self._group = settings.egress_uid
        self.governing = Governing(settings.egress_directory, self._group, firewall.table(self._instance))
        self.violations = Violations(settings.egress_events)
        screen = Screening(self.governing, self.violations)
        servers = resolver.servers(settings.dns)
        self._resolver = Resolver(self.gateway, settings.network, servers=servers, screen=screen)

    async def open(self) -> None:
        """Forwarding, filter and resolver; idempotent. Sandboxes that are there stay connected, remains go.

        Raises ProgramFailed, Unavailable (something else has the resolver's port) and OSError.
        """
        await threads.call(lambda: self.governing.open(self._attached()))
        rules = firewall.rules(self._instance, self._range, self.governing.addresses)
        await nft.replace(firewall.table(self._instance), rules)
        await iptables.admit(f"{self._prefix}+")
        await threads.call(self._prepare)
        await self._resolver.start()
        await self.violations.open(self._group)

    def _prepare(self) -> None:
        if IP_FORWARD.read_text().strip() != "1":  # a write, even of the same value, resets other settings
            IP_FORWARD.write_text("1")
        netns.prepare()
        link.give("lo", self.gateway)  # so that the proxy can listen there before there is a cable
        self._sweep()

    def _sweep(self) -> None:
        """Cables whose maker died before it had named their sandbox."""
        for name, id in link.aliases(self._prefix).items():
            if not id:
                link.disconnect(name)

    async def attach(self, id: str, governed: bool = False) -> Attached:
        """A new namespace for a sandbox, connected; what it had before goes, as gVisor uses one up.

        Raises Unavailable when no address is free, or when it is to be governed and nobody has said how; Failed when
        the kernel refuses. Nothing is left behind then.
        """
        await self.detach(id)
        slot = self._claim()
        address = self._address(slot)
        try:
            await self._bind(id, address, governed)
            return await threads.call(self._attach, id, slot)
        except BaseException as error:
            await self.governing.release(address)
            if not isinstance(error, OSError):
                raise
            raise Failed(f"cannot connect sandbox {id} to the network: {error}") from error
        finally:
            self._claimed.discard(slot)

    async def _bind(self, id: str, address: str, governed: bool) -> None:
        if not await self.governing.bind(id, address) and governed:
            raise Unavailable(f"what sandbox {id} may send is not known on this host", hint="start it again")

    def _claim(self) -> int:
        taken = {self._slot(name) for name in link.aliases(self._prefix)} | self._claimed
        for offset in range(self._slots):
            slot = (self._next + offset) % self._slots
            if slot not in taken:
                self._next = slot + 1
                self._claimed.add(slot)
                return slot
        raise Unavailable(
            f"all {self._slots} addresses of {self._range} are in use",
            hint="set network to a larger one, such as a /16",
        )

    def _attach(self, id: str, slot: int) -> Attached:
        address = self._address(slot)
        try:
            path = netns.create(f"{self._prefix}{id}")
            link.connect(
                link.Cable(
                    name=f"{self._prefix}{slot}",
                    alias=id,
                    netns=path,
                    gateway=str(self._range[1]),
                    address=address,
                    prefix=self._range.prefixlen,
                    mtu=link.uplink_mtu(),
                )
            )
        except BaseException:
            link.disconnect(f"{self._prefix}{slot}")
            netns.remove(f"{self._prefix}{id}")
            raise
        return Attached(path, address)

    async def address(self, id: str) -> str | None:
        """The address of a sandbox that is attached, from the kernel."""
        return self._attached().get(id)

    def resident(self, address: str) -> str | None:
        """Who has an address. That a packet comes from there is sure: cables carry no others' (`firewall`)."""
        name = self._cable(address)
        return (name and link.alias(name)) or None

    def traffic(self, address: str) -> tuple[int, int]:
        """Bytes received and sent since it was attached."""
        name = self._cable(address)
        return link.traffic(name) if name else (0, 0)

    def _cable(self, address: str) -> str | None:
        slot = int(IPv4Address(address)) - int(self._range.network_address) - FIRST
        return f"{self._prefix}{slot}" if 0 <= slot < self._slots else None

    async def govern(self, id: str, policy: Policy | None) -> None:
        """From now on, whether it is there yet or not; None: it may send what it likes."""
        address = await self.address(id)
        if policy is not None:
            await self.governing.put(policy, address)
        else:
            await self.governing.drop(id)
            self.violations.forget(id)
            if address is not None:
                await self.governing.release(address)

    async def detach(self, id: str) -> None:
        """Removes a sandbox's cable and namespace; fine when there is nothing. Raises OSError, ProgramFailed."""
        address = self._attached().get(id)
        await threads.call(self._detach, id)
        if address is not None:
            await self.governing.release(address)

    def _detach(self, id: str) -> None:
        for name in self._cables(id):
            link.disconnect(name)
        netns.remove(f"{self._prefix}{id}")

    def refused(self, id: str) -> list[Violation]:
        """Newest first."""
        return self.violations.of(id)

    async def present(self) -> set[str]:
        """Ids of all sandboxes that have something here, whole or half-made."""
        spaces = {name.removeprefix(self._prefix) for name in netns.named(self._prefix)}
        return spaces | set(filter(None, link.aliases(self._prefix).values()))

    async def close(self) -> None:
        """Stops the resolver. Sandboxes stay connected and filtered."""
        await self._resolver.stop()
        self.violations.close()

    async def clear(self) -> None:
        """Removes everything of this instance: cables, namespaces, filter. Raises ProgramFailed, OSError."""
        for id in await self.present():
            await self.detach(id)
        await threads.call(self._sweep)
        await threads.call(link.take, "lo", self.gateway)
        await iptables.withdraw(f"{self._prefix}+")
        await nft.remove(firewall.table(self._instance))

    def _cables(self, id: str) -> Iterator[str]:
        return (name for name, alias in link.aliases(self._prefix).items() if alias == id)

    def _attached(self) -> dict[str, str]:
        """Addresses by id, from the kernel."""
        cables = link.aliases(self._prefix).items()
        return {id: self._address(self._slot(name)) for name, id in cables if id}

    def _address(self, slot: int) -> str:
        return str(self._range[slot + FIRST])

    def _slot(self, name: str) -> int:
        return int(name.removeprefix(self._prefix))
