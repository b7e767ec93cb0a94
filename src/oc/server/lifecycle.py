"""Ask, record, ensure, observe (design 2.3).

What is wanted is recorded first; the worker is asked to make it so; what came of it is recorded. Requests, retries and
the heal loop all come through here: a process that is killed at any line leaves a row from which the next one goes on.
"""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from oc.model.errors import Gone, OpenComputerError
from oc.model.ids import new_sandbox
from oc.model.sandbox import Image, Spec, Status
from oc.server.hosts import Worker, WorkerUnavailable
from oc.server.wishes import TEMPLATES
from oc.store.sandboxes import Sandbox, Sandboxes, Wish

log = structlog.get_logger()


def spec(sandbox: Sandbox) -> Spec:
    image = Image(TEMPLATES[sandbox.wish.template])
    return Spec(id=sandbox.id, size=sandbox.wish.size, origin=image, envs=sandbox.wish.envs)


class Lifecycle:
    def __init__(self, sandboxes: Sandboxes, worker: Worker, most: int) -> None:
        self._sandboxes = sandboxes
        self._worker = worker
        self._most = most
        self._starting: dict[str, asyncio.Task[Sandbox]] = {}

    async def create(self, org_id: str, wish: Wish, idempotency_key: str | None = None) -> Sandbox:
        """A running sandbox. Raises TooMany, and whatever kept it from running."""
        pending = await self._sandboxes.add(new_sandbox(), org_id, wish, self._most, idempotency_key)
        return await self.start(pending)

    async def start(self, pending: Sandbox) -> Sandbox:
        """Makes a pending sandbox run; a second call joins the first. Goes on when its caller is cancelled."""
        task = self._starting.get(pending.id)
        if task is None:
            task = self._starting[pending.id] = asyncio.create_task(self._start(pending), name=f"start {pending.id}")
            task.add_done_callback(partial(self._finished, pending.id))
        return await asyncio.shield(task)

    def is_starting(self, id: str) -> bool:
        return id in self._starting

    async def stop(self, id: str, reason: str) -> None:
        """Ends it for good. When the worker is away the row says so, and the heal loop does the rest."""
        if await self._sandboxes.end(id, Status.STOPPED, reason):
            log.info("sandbox stopped", sandbox=id, reason=reason)
        await self.remove(id)

    async def fail(self, id: str, reason: str) -> None:
        """Records that it does not run and why, and removes what is left of it."""
        if await self._sandboxes.end(id, Status.ERROR, reason):
            log.warning("sandbox failed", sandbox=id, reason=reason)
        await self.remove(id)

    async def remove(self, id: str) -> None:
        """Removes what the worker has of a sandbox that no row wants."""
        try:
            await self._worker.remove(id)
        except WorkerUnavailable as error:  # the heal loop compares when it is back
            log.info("removal put off", sandbox=id, error=error.text)

    async def close(self) -> None:
        """Starts under way are left to the next server: their rows are pending."""
        for task in list(self._starting.values()):
            task.cancel()
        await asyncio.gather(*self._starting.values(), return_exceptions=True)

    def _finished(self, id: str, task: asyncio.Task[Sandbox]) -> None:
        del self._starting[id]
        if not task.cancelled():
            task.exception()  # `fail` has logged it; whoever asked may have gone

    async def _start(self, pending: Sandbox) -> Sandbox:
        try:
            await self._worker.ensure(spec(pending))
        except OpenComputerError as error:
            await self.fail(pending.id, error.text)
            raise
        running = await self._sandboxes.start(pending.id)
        if running is None:
            await self.remove(pending.id)
            raise Gone(f"sandbox {pending.id} was killed while it was being created")
        log.info("sandbox started", sandbox=pending.id)
        return running
