"""All sandboxes of one host: adopted at the start, watched while they run, each behind its actor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, Self

import structlog

from oc.host import children, threads
from oc.host.cgroup import Usage
from oc.model.artifact import Artifact
from oc.model.egress import Policy
from oc.model.errors import NotFound
from oc.model.sandbox import Checkpoint, Observed, Spec
from oc.worker import capacity
from oc.worker.actor import Actor
from oc.worker.agent.link import Link
from oc.worker.journal import Record, Step
from oc.worker.parts import Parts
from oc.worker.preparation import Preparation
from oc.worker.sandbox import Sandbox
from oc.worker.scale_requests import ScaleRequests

log = structlog.get_logger()

WATCH_EVERY_S = 1.0
ADOPTIONS = 8  # at once


class Supervisor:
    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.preparation = Preparation(parts.images)
        self.scale_requests = ScaleRequests()
        self.build = ""
        self._actors: dict[str, Actor] = {}
        self._tasks: list[asyncio.Task[None]] = []

    # --- its life ---

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Adopts what a former worker left and removes what has no record; then sandboxes can be asked for."""
        self._spawn(children.reap_orphans())
        self.build = await self.parts.driver.build()
        await self.parts.open_pool()
        await self.parts.network.open()
        await threads.call(self.parts.shelf.open)
        await self._adopt(await threads.call(self.parts.journal.open))
        self._spawn(self.preparation.run())
        self._spawn(self.parts.storing.run())
        self._spawn(self.parts.storing.tidy())
        self._spawn(self._watch())

    async def close(self) -> None:
        """Lets go of everything; sandboxes run on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(actor.close() for actor in list(self._actors.values())))
        await self.parts.network.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(_ended)
        self._tasks.append(task)

    async def _adopt(self, records: dict[str, Record]) -> None:
        strays = await self.parts.found() - records.keys()
        for id in strays:
            log.warning("sandbox without a record", sandbox=id)
        unknown = {id: Record.of_unknown(id, Step.REMOVING) for id in strays}
        actors = [self._actor(id, record) for id, record in (records | unknown).items()]
        gate = asyncio.Semaphore(ADOPTIONS)

        async def adopt(actor: Actor) -> None:
            async with gate:
                await self._guarded(actor, actor.adopt)

        await asyncio.gather(*map(adopt, actors))
        log.info("adopted", records=len(records), strays=len(strays), sandboxes=len(self._actors))

    async def _watch(self) -> None:
        while True:
            await asyncio.gather(*(self._guarded(actor, actor.check) for actor in list(self._actors.values())))
            await asyncio.sleep(WATCH_EVERY_S)

    async def _guarded(self, actor: Actor, work: Callable[[], Awaitable[None]]) -> None:
        """One sandbox's trouble is not another's; the next look tries again."""
        try:
            await work()
        except Exception:  # whatever it is, the others must be looked after
            log.exception("trouble with a sandbox", sandbox=actor.sandbox.id)

    # --- what is asked of it ---

    async def ensure(self, spec: Spec) -> Observed:
        actor = self._actors.get(spec.id)
        if actor is None:
            self.preparation.check()
            actor = self._actor(spec.id, None)
        return await actor.ensure(spec)

    async def remove(self, id: str) -> None:
        if id in self._actors:
            await self._actors[id].remove()
        await self.parts.network.govern(id, None)

    def observed(self, id: str) -> Observed:
        """Raises NotFound."""
        return self._existing(id).sandbox.observed()

    def all(self) -> list[Observed]:
        return [actor.sandbox.observed() for actor in self._present()]

    async def save(self, id: str, artifact: str, memory: bool) -> Artifact:
        return await self._existing(id).save(artifact, memory)

    async def hibernate(self, id: str, artifact: str) -> Artifact:
        """One that is gone from here is hibernated if its artifact is here."""
        if id not in self._actors and await threads.call(self.parts.shelf.knows, artifact):
            return await threads.call(self.parts.shelf.record, artifact)
        return await self._existing(id).hibernate(artifact)

    async def restore(self, id: str, origin: Checkpoint) -> Observed:
        return await self._existing(id).restore(origin)

    async def freeze(self, id: str) -> Observed:
        return await self._existing(id).freeze()

    async def reboot(self, id: str) -> Observed:
        return await self._existing(id).reboot()

    async def resize(self, id: str, cpus: float, memory_mb: int) -> Observed:
        return await self._existing(id).resize(cpus, memory_mb)

    def spec(self, id: str) -> Spec:
        """Raises NotFound."""
        record = self._existing(id).sandbox.record
        if record is None:
            raise NotFound(f"sandbox {id} not found")
        return record.spec

    async def link(self, id: str) -> Link:
        return await self._existing(id).link()

    async def govern(self, id: str, policy: Policy | None) -> None:
        """What a sandbox may send from now on, whether it is there yet or not. Raises NotSupported."""
        await self.parts.network.govern(id, policy)

    async def usage(self) -> dict[str, Usage]:
        """Of all that run."""
        return await self.parts.driver.usage([id for id, actor in self._actors.items() if actor.sandbox.running])

    async def host(self) -> dict[str, Any]:
        host = await threads.call(capacity.look, self.parts.pool)
        return {
            "cpus": host.cpus,
            "memoryMB": host.memory_mb,
            "memoryAvailableMB": host.memory_available_mb,
            "poolFreeMB": host.pool_free_mb,
            "sandboxes": len(list(self._present())),
            "runtime": self.parts.driver.name,
        }

    # --- actors ---

    def _actor(self, id: str, record: Record | None) -> Actor:
        actor = Actor(Sandbox(id, self.parts, record), self._gone)
        self._actors[id] = actor
        return actor

    def _gone(self, actor: Actor) -> None:
        if self._actors.get(actor.sandbox.id) is actor:
            del self._actors[actor.sandbox.id]

    def _existing(self, id: str) -> Actor:
        if id not in self._actors:
            raise NotFound(f"sandbox {id} not found")
        return self._actors[id]

    def _present(self) -> Iterator[Actor]:
        """Without those that wait for their turn to be made: nothing of them is there yet."""
        return (actor for actor in self._actors.values() if actor.sandbox.record is not None)


def _ended(task: asyncio.Task[None]) -> None:
    """What goes on beside the requests never ends by itself, unless it is done: a fault in it must not stay unseen."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("a task of the worker failed", exc_info=error)
