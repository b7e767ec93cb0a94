"""The seam between a worker and what isolates its sandboxes.

Everything that a driver is told comes in one `Launch`; all that it has made for a sandbox goes with `remove`. Drivers
keep no state in memory that a new process could not find again: a worker that was killed adopts what runs.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from oc.host.cgroup import Usage


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a sandbox's agent answers, and the token it asks for."""

    host: str
    port: int
    token: bytes


@dataclass(frozen=True, slots=True)
class Launch:
    """A sandbox that is about to run. Paths are the host's."""

    id: str  # sandbox id: fixed length, so none is a prefix of another
    root: Path  # its mounted disk
    netns: str | None  # path of its network namespace; None: the driver makes its own way to the agent
    address: str  # its address in that namespace
    token: bytes
    cpus: float
    memory_mb: int  # what programs inside may use; the driver adds its own overhead
    memory: Path | None = None  # directory that `save` wrote: resume from it instead of booting


@dataclass(frozen=True, slots=True)
class Death:
    """Why a sandbox is no longer there, in words for its owner."""

    reason: str


class Driver(Protocol):
    name: str

    async def build(self) -> str:
        """Exact version of the runtime; saved memory is tied to it."""
        ...

    async def start(self, launch: Launch) -> Endpoint:
        """Runs the sandbox; returns when its agent can be connected to or will be at once.

        Raises `model.errors.Failed` with the runtime's words; nothing is left behind then.
        """
        ...

    async def endpoint(self, launch: Launch) -> Endpoint:
        """Where the agent of a sandbox that already runs answers (adoption)."""
        ...

    async def alive(self, id: str) -> Death | None:
        """None while the sandbox runs. Cheap: asked every second for every sandbox."""
        ...

    async def running(self) -> set[str]:
        """Ids of everything that this driver has on this host, alive or half-made, of this instance."""
        ...

    async def usage(self, ids: Collection[str]) -> dict[str, Usage]:
        """What sandboxes use, without those of which that is not known. Nobody in a sandbox is asked."""
        ...

    async def remove(self, id: str) -> None:
        """Ends the sandbox and removes all that the driver made for it; fine when there is nothing."""
        ...

    async def save(self, id: str, into: Path) -> None:
        """Writes memory and processes to a new directory. The sandbox must be paused, and stays so, also on failure."""
        ...

    async def pause(self, id: str) -> None: ...

    async def resume(self, id: str) -> None: ...

    async def freeze(self, id: str) -> None:
        """No CPU time at all until `thaw`."""
        ...

    async def thaw(self, id: str) -> None: ...

    async def resize(self, id: str, *, cpus: float, memory_mb: int) -> None:
        """Other limits from now on. Raises NotSupported when it takes a new start to have them, and Failed."""
        ...
