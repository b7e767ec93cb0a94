"""What a worker is made of, as its core sees it: `assembly` puts real parts in, tests their own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from oc.model.egress import Policy
from oc.model.ids import SANDBOX
from oc.runtime.driver import Driver, Endpoint
from oc.worker.agent.link import Link, OnEvent
from oc.worker.journal import Journal
from oc.worker.shelf import Shelf
from oc.worker.storing import Storing
from oc.worker.violations import Violation

STARTS_PER_CPU = 2  # at once: more only make each other slow


class Attachment(Protocol):
    @property
    def netns(self) -> Path | None: ...

    @property
    def address(self) -> str: ...


class Network(Protocol):
    async def open(self) -> None:
        """Makes what all sandboxes share."""
        ...

    async def attach(self, id: str, governed: bool = False) -> Attachment:
        """`governed`: not without its egress policy."""
        ...

    async def govern(self, id: str, policy: Policy | None) -> None:
        """What the sandbox may send from now on, whether it is there yet or not; None: what it likes."""
        ...

    def refused(self, id: str) -> list[Violation]:
        """What it has tried to send and was refused, newest first."""
        ...

    async def address(self, id: str) -> str | None:
        """Of an attached sandbox; None when it is not attached, or not wholly."""
        ...

    @property
    def gateway(self) -> str | None:
        """Address at which sandboxes find what their host does for them; None: who asks cannot be told."""
        ...

    def resident(self, address: str) -> str | None:
        """Id of the sandbox that has an address."""
        ...

    def traffic(self, address: str) -> tuple[int, int]:
        """Bytes that the sandbox at an address has received and sent since it was attached."""
        ...

    async def detach(self, id: str) -> None: ...

    async def present(self) -> set[str]:
        """Ids of all that is there, half-made included."""
        ...

    async def close(self) -> None:
        """Lets go of what this process holds; sandboxes go on."""
        ...


class Disks(Protocol):
    async def create(self, id: str, image: str, disk_mb: int) -> str:
        """Returns the name of the template that it was cloned from."""
        ...

    async def adopt(self, id: str, disk: Path) -> None:
        """As `create`, from the disk of an artifact."""
        ...

    async def snapshot(self, id: str, target: Path) -> None:
        """Clones the disk of a paused sandbox, with all that it has written."""
        ...

    async def mount(self, id: str) -> Path: ...

    async def unmount(self, id: str) -> None: ...

    async def delete(self, id: str) -> None: ...

    async def present(self) -> set[str]: ...

    async def mounted(self) -> set[str]: ...


class Images(Protocol):
    async def ensure(self, progress: Callable[[str], None]) -> None:
        """Makes the base image unless it is there. Takes minutes the first time."""
        ...

    def environment(self) -> Mapping[str, str]:
        """What every process in a sandbox is given, under its own."""
        ...


def _gate() -> asyncio.Semaphore:
    return asyncio.Semaphore(STARTS_PER_CPU * len(os.sched_getaffinity(0)))


Connect = Callable[[Endpoint, float, OnEvent | None], Awaitable[Link]]  # patience in seconds


@dataclass(frozen=True)
class Parts:
    driver: Driver
    network: Network
    disks: Disks
    images: Images
    journal: Journal
    shelf: Shelf
    storing: Storing
    pool: Path  # the directory that holds the disks
    roots: Path  # disks are mounted in it, by id
    disk_reserve_mb: int
    open_pool: Callable[[], Awaitable[None]]  # makes or mounts it: after a reboot no disk is seen before
    connect: Connect = Link.open
    region: str = ""
    starts: asyncio.Semaphore = field(default_factory=_gate)
    removals: asyncio.Semaphore = field(default_factory=_gate)

    async def found(self) -> set[str]:
        """Ids of all sandboxes of which there is something on the host."""
        sets = await asyncio.gather(
            self.driver.running(), self.network.present(), self.disks.present(), self.disks.mounted()
        )
        return {id for id in set().union(*sets) if SANDBOX.fullmatch(id)}
