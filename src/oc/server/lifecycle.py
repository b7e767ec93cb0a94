"""Ask, record, ensure, observe (design 2.3).

What is wanted is recorded first; the worker is asked to make it so; what came of it is recorded. Requests, retries and
the heal loop all come through here: a process that is killed at any line leaves a row from which the next one goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog

from oc.model.errors import Gone, OpenComputerError
from oc.model.sandbox import Spec, Status
from oc.server.changes import Changes, Stopping
from oc.server.egress import Governing, environment
from oc.server.hosts import Worker, WorkerUnavailable
from oc.server.patching import Patching
from oc.store.sandboxes import ACTIVE, Sandbox, Sandboxes, Wish

TOGETHER = "another one that was asked for with it could not be created"
log = structlog.get_logger()


def spec(sandbox: Sandbox) -> Spec:
    wish = sandbox.wish
    return Spec(sandbox.id, wish.size, wish.origin, environment(sandbox), wish.template, wish.egress.governed)


class Lifecycle:
    def __init__(
        self,
        sandboxes: Sandboxes,
        worker: Worker,
        changes: Changes,
        patching: Patching,
        governing: Governing,
        most: int,
    ) -> None:
        self._sandboxes = sandboxes
        self._worker = worker
        self._changes = changes
        self._patching = patching
        self._governing = governing
        self._most = most

    async def create(self, org_id: str, wishes: Sequence[Wish], key: str | None = None) -> list[Sandbox]:
        """Running sandboxes, all or none; `key`: the Idempotency-Key that they are asked for with.

        Raises TooMany, and whatever kept one of them from running.
        """
        return await self.start_all(await self._sandboxes.add(org_id, wishes, self._most, key))

    async def start_all(self, pending: Sequence[Sandbox]) -> list[Sandbox]:
        ends = await asyncio.gather(*map(self.start, pending), return_exceptions=True)
        failures = [end for end in ends if isinstance(end, BaseException)]
        if failures and not isinstance(failures[0], Stopping):
            await asyncio.gather(*(self.stop(end.id, TOGETHER) for end in ends if isinstance(end, Sandbox)))
        if failures:
            raise failures[0]
        return [end for end in ends if isinstance(end, Sandbox)]

    async def start(self, pending: Sandbox) -> Sandbox:
        """Makes a pending sandbox run; a second call joins the first. Goes on when its caller is cancelled."""
        return await self._changes.do(pending.id, "start", partial(self._start, pending.id))

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

    async def ensure(self, row: Sandbox) -> None:
        """Returns when it answers. What it may send is said before it can send anything."""
        await self._governing.apply(row)
        await self._worker.ensure(spec(row))

    async def _start(self, id: str) -> Sandbox:
        pending = await self._sandboxes.get(id)
        if pending is None or pending.status not in ACTIVE:
            raise _killed(id)
        if pending.status is Status.RUNNING:
            return pending
        try:
            await self.ensure(pending)
            await self._patching.apply(pending)
        except OpenComputerError as error:
            await self.fail(pending.id, error.text)
            raise
        running = await self._sandboxes.start(pending.id)
        if running is None:
            await self.remove(pending.id)
            raise _killed(id)
        log.info("sandbox started", sandbox=id)
        return running


def _killed(id: str) -> Gone:
    return Gone(f"sandbox {id} was killed while it was being created")
