"""One sandbox as its worker holds it: its record, and the link to its agent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

import structlog

from oc.host import threads
from oc.model.errors import Gone, NotFound, OpenComputerError, Unavailable
from oc.model.sandbox import Observed
from oc.runtime.driver import Endpoint, Launch
from oc.wire.messages import Event
from oc.worker.agent.link import Link
from oc.worker.journal import Record, Step
from oc.worker.parts import Parts

log = structlog.get_logger()

PATIENCE_S = 5.0  # with the agent of a sandbox that runs

STATES: dict[Step, Literal["starting", "running", "frozen", "stopping", "lost"]] = {
    Step.MAKING: "starting",
    Step.RUNNING: "running",
    Step.FROZEN: "frozen",
    Step.RESTORING: "starting",
    Step.REBOOTING: "starting",
    Step.REMOVING: "stopping",
    Step.LOST: "lost",
}


@dataclass
class Sandbox:
    """Changed by deeds only, one after another; the data plane asks it for its link."""

    id: str
    parts: Parts
    record: Record | None = None  # as in the journal; None: there is no such sandbox
    endpoint: Endpoint | None = None
    memory_kills: int = 0
    _link: Link | None = None
    _linking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def observed(self) -> Observed:
        """Raises NotFound."""
        if self.record is None:
            raise self.absence()
        state = STATES[self.record.step]
        return Observed(self.id, state, self.record.reason, max(self.memory_kills, self.record.memory_kills))

    def absence(self) -> OpenComputerError:
        """Why nothing can be done in it now."""
        if self.record is None:
            return NotFound(f"sandbox {self.id} not found")
        texts = {
            Step.MAKING: Unavailable(f"sandbox {self.id} is being started"),
            Step.FROZEN: Unavailable(f"sandbox {self.id} is hibernated", hint="wake it first"),
            Step.LOST: Gone(f"sandbox {self.id} died: {self.record.reason}"),
            Step.REMOVING: Gone(f"sandbox {self.id} has been stopped"),
        }
        return texts.get(self.record.step, Unavailable(f"sandbox {self.id} cannot be reached"))

    async def write(self, record: Record) -> None:
        """What is held is never ahead of what is on the disk."""
        await threads.call(self.parts.journal.write, record)
        self.record = record

    async def forget(self) -> None:
        await threads.call(self.parts.journal.delete, self.id)
        self.record = None

    def launch(self, record: Record, address: str, netns: str | None = None) -> Launch:
        return Launch(
            id=self.id,
            root=self.parts.roots / self.id,
            netns=netns,
            address=address,
            token=record.token,
            cpus=record.spec.size.cpus,
            memory_mb=record.spec.size.memory_mb,
        )

    @property
    def running(self) -> bool:
        return self.record is not None and self.record.step is Step.RUNNING

    @property
    def cut(self) -> bool:
        return self._link is None or self._link.closed.is_set()

    async def open(self, endpoint: Endpoint, patience_s: float) -> None:
        """Connects to the agent. Raises Unavailable."""
        self._link = await self.parts.connect(endpoint, patience_s, self.on_event)

    async def connected(self, patience_s: float = PATIENCE_S) -> Link:
        """The link, connected again if it was lost. Raises NotFound, Gone and Unavailable."""
        async with self._linking:
            if self.cut:
                await self.open(await self._locate(), patience_s)
                if not self.running:  # it was removed, or died, meanwhile
                    await self.disconnect()
                    raise self.absence()
                await self._count_memory_kills()
            if self._link is None:
                raise self.absence()
            return self._link

    async def _locate(self) -> Endpoint:
        if self.record is None or self.record.step is not Step.RUNNING:
            raise self.absence()
        if self.endpoint is None:
            address = await self.parts.network.address(self.id)
            if address is None:
                raise Unavailable(f"sandbox {self.id} has no network")
            self.endpoint = await self.parts.driver.endpoint(self.launch(self.record, address))
        return self.endpoint

    async def _count_memory_kills(self) -> None:
        """Events that came while nobody listened are in the agent's count."""
        if self._link is not None:
            self.memory_kills = (await self._link.statistics()).memory_kills

    def on_event(self, event: Event, text: str) -> None:
        if event is Event.MEMORY_KILL:
            self.memory_kills += 1
            log.warning("killed for memory", sandbox=self.id, process=text[:200])

    async def disconnect(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close()
