"""A worker's parts in memory. What is done is written down in order; any call can be made to fail or to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from oc.blobs.store import open_store
from oc.host.cgroup import Usage
from oc.model.egress import Policy
from oc.model.sandbox import Size, Spec
from oc.runtime.driver import Death, Endpoint, Launch
from oc.wire.messages import Configure, Event, Stats
from oc.worker.agent.link import Link, OnEvent
from oc.worker.journal import Journal
from oc.worker.parts import Parts
from oc.worker.shelf import Shelf
from oc.worker.storing import Storing
from oc.worker.violations import Violation

ID = "sb-00000001"
SPEC = Spec(ID, Size(cpus=1.0, memory_mb=64, disk_mb=64))


@dataclass
class Host:
    """What there is: sets of ids by kind."""

    disks: set[str] = field(default_factory=set)
    mounts: set[str] = field(default_factory=set)
    networks: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)
    dead: dict[str, Death] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    errors: dict[str, list[Exception]] = field(default_factory=dict)  # by call, for its next times
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    reached: dict[str, asyncio.Event] = field(default_factory=dict)
    links: list[MemoryLink] = field(default_factory=list)
    memory_kills: int = 0
    memory_bytes: int = 0  # that each sandbox uses

    async def call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.gates:
            self.reached[name].set()
            await self.gates[name].wait()
        if self.errors.get(name):
            raise self.errors[name].pop(0)

    def hold(self, name: str) -> None:
        self.gates[name], self.reached[name] = asyncio.Event(), asyncio.Event()

    def left(self) -> set[str]:
        return self.disks | self.mounts | self.networks | self.running


class MemoryLink:
    def __init__(self, host: Host, on_event: OnEvent | None) -> None:
        self.host = host
        self.on_event = on_event
        self.closed = asyncio.Event()
        self.configured: list[Configure] = []

    async def configure(self, configure: Configure) -> None:
        await self.host.call("configure")
        self.configured.append(configure)

    async def limit(self, memory_mb: int) -> bool:
        await self.host.call(f"limit {memory_mb}")
        return True

    async def statistics(self) -> Stats:
        return Stats(0, 0, 0, 0, self.host.memory_kills)

    async def close(self) -> None:
        self.closed.set()

    def kill_for_memory(self) -> None:
        assert self.on_event is not None
        self.on_event(Event.MEMORY_KILL, "17 hog")


class MemoryDriver:
    name = "memory"

    def __init__(self, host: Host) -> None:
        self.host = host

    async def build(self) -> str:
        return "memory"

    async def start(self, launch: Launch) -> Endpoint:
        await self.host.call("start")
        self.host.running.add(launch.id)
        return Endpoint(launch.address, 1023, launch.token)

    async def endpoint(self, launch: Launch) -> Endpoint:
        return Endpoint(launch.address, 1023, launch.token)

    async def alive(self, id: str) -> Death | None:
        if id in self.host.dead:
            return self.host.dead[id]
        return None if id in self.host.running else Death("it is not there")

    async def running(self) -> set[str]:
        return set(self.host.running)

    async def usage(self, ids: Collection[str]) -> dict[str, Usage]:
        return {id: Usage(0.0, self.host.memory_bytes) for id in ids}

    async def remove(self, id: str) -> None:
        await self.host.call("remove")
        self.host.running.discard(id)

    async def save(self, id: str, into: Path) -> None: ...

    async def pause(self, id: str) -> None: ...

    async def resume(self, id: str) -> None: ...

    async def freeze(self, id: str) -> None: ...

    async def thaw(self, id: str) -> None: ...

    async def resize(self, id: str, *, cpus: float, memory_mb: int) -> None:
        await self.host.call(f"resize {cpus:g} {memory_mb}")


@dataclass(frozen=True)
class MemoryAttached:
    netns: Path | None
    address: str


class MemoryNetwork:
    def __init__(self, host: Host) -> None:
        self.host = host

    async def open(self) -> None: ...

    async def attach(self, id: str, governed: bool = False) -> MemoryAttached:
        await self.host.call("attach")
        self.host.networks.add(id)
        return MemoryAttached(Path("/run/netns", id), "10.0.0.2")

    async def address(self, id: str) -> str | None:
        return "10.0.0.2" if id in self.host.networks else None

    @property
    def gateway(self) -> None: ...

    def resident(self, address: str) -> str | None:
        return None

    def traffic(self, address: str) -> tuple[int, int]:
        return 0, 0

    async def detach(self, id: str) -> None:
        await self.host.call("detach")
        self.host.networks.discard(id)

    async def govern(self, id: str, policy: Policy | None) -> None: ...

    def refused(self, id: str) -> list[Violation]:
        return []

    async def present(self) -> set[str]:
        return set(self.host.networks)

    async def close(self) -> None: ...


class MemoryDisks:
    def __init__(self, host: Host) -> None:
        self.host = host

    async def create(self, id: str, image: str, disk_mb: int) -> str:
        await self.host.call("create")
        self.host.disks.add(id)
        return image

    async def adopt(self, id: str, disk: Path) -> None:
        await self.host.call("adopt")
        self.host.disks.add(id)

    async def snapshot(self, id: str, target: Path) -> None: ...

    async def mount(self, id: str) -> Path:
        await self.host.call("mount")
        self.host.mounts.add(id)
        return Path("/roots", id)

    async def unmount(self, id: str) -> None:
        await self.host.call("unmount")
        self.host.mounts.discard(id)

    async def delete(self, id: str) -> None:
        await self.host.call("delete")
        self.host.disks.discard(id)

    async def present(self) -> set[str]:
        return set(self.host.disks)

    async def mounted(self) -> set[str]:
        return set(self.host.mounts)


class MemoryImages:
    async def ensure(self, progress: Callable[[str], None]) -> None: ...

    def environment(self) -> Mapping[str, str]:
        return {"BASE": "image", "BOTH": "image"}


def parts(host: Host, directory: Path) -> Parts:
    def connect(endpoint: Endpoint, patience_s: float, on_event: OnEvent | None) -> Awaitable[Link]:
        return link(on_event)

    async def open_pool() -> None:
        await host.call("open pool")

    async def link(on_event: OnEvent | None) -> Link:
        await host.call("connect")
        host.links.append(MemoryLink(host, on_event))
        return cast(Link, host.links[-1])

    journal = Journal(directory / "sandboxes")
    journal.open()
    shelf = Shelf(directory / "artifacts")
    shelf.open()
    return Parts(
        driver=MemoryDriver(host),
        network=MemoryNetwork(host),
        disks=MemoryDisks(host),
        images=MemoryImages(),
        journal=journal,
        shelf=shelf,
        storing=Storing(shelf, open_store(str(directory / "blobs")), directory, 0),
        pool=directory,
        roots=Path("/roots"),
        disk_reserve_mb=0,
        open_pool=open_pool,
        connect=connect,
    )
