"""Compares what is wanted with what the worker has, and mends the difference (design 2.3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import structlog

from oc.model.errors import OpenComputerError
from oc.model.sandbox import Observed, Status
from oc.server.changes import Changes
from oc.server.hosts import Worker, WorkerUnavailable
from oc.server.lifecycle import Lifecycle
from oc.server.loops.together import Deed, side_by_side
from oc.server.restores import Restores
from oc.server.scaling import Scaling
from oc.server.sleep import LOST, Sleep
from oc.store.sandboxes import ACTIVE, Sandbox, Sandboxes, Tier

INTERRUPTED = "the server was stopped while it was being created"
log = structlog.get_logger()


class Heal:
    def __init__(
        self,
        sandboxes: Sandboxes,
        worker: Worker,
        lifecycle: Lifecycle,
        changes: Changes,
        sleep: Sleep,
        restores: Restores,
        scaling: Scaling,
    ) -> None:
        self._sandboxes = sandboxes
        self._worker = worker
        self._lifecycle = lifecycle
        self._changes = changes
        self._sleep = sleep
        self._restores = restores
        self._scaling = scaling
        self._missing: frozenset[str] = frozenset()
        self._mending = {
            Status.PENDING: self._settle,
            Status.RUNNING: self._mend_running,
            Status.HIBERNATED: self._mend_hibernated,
        }

    async def __call__(self) -> None:
        """The worker is asked before the rows are read: what is new there has its row by then.

        While the worker is away nothing is known of its sandboxes, and rows stay as they are.
        """
        try:
            observed = {each.id: each for each in await self._worker.sandboxes()}
        except WorkerUnavailable as error:
            log.debug("worker is away", error=error.text)
            return
        rows = {row.id: row for row in await self._sandboxes.in_states(*ACTIVE, Status.HIBERNATED)}
        await side_by_side(self._deeds(rows, observed))
        self._missing = frozenset(id for id, row in rows.items() if _must_be_there(row)) - observed.keys()

    def _deeds(self, rows: Mapping[str, Sandbox], observed: Mapping[str, Observed]) -> list[Deed]:
        unwanted = [self._lifecycle.remove(id) for id in observed.keys() - rows.keys()]
        return [*unwanted, *(self._mend(row, observed.get(row.id)) for row in rows.values())]

    async def _mend(self, row: Sandbox, observed: Observed | None) -> None:
        """One to which something is being done is left to that. What cannot be mended now is tried at the next turn."""
        if self._changes.under_way(row.id):
            return
        try:
            await self._mending[row.status](row, observed)
        except OpenComputerError as error:
            log.info("could not be mended", sandbox=row.id, error=error.text)

    async def _mend_running(self, row: Sandbox, observed: Observed | None) -> None:
        if row.restoring is not None:
            await self._restores.finish(row)
        elif not await self._lose(row, observed) and observed is not None and observed.state == "frozen":
            await self._sleep.thaw(row.id)
        elif row.scaling is not None:
            await self._scaling.finish(row.id)
        if observed is not None and observed.memory_kills != row.memory_kills:
            await self._sandboxes.note_memory_kills(row.id, observed.memory_kills)

    async def _mend_hibernated(self, row: Sandbox, observed: Observed | None) -> None:
        """One whose storing a crash cut short is left to the loop that stores."""
        frozen = row.tier is Tier.FROZEN and observed is not None and observed.state == "running"
        stray = row.tier is Tier.STORED and observed is not None
        if row.waking or frozen or stray:
            await self._sleep.settle(row.id)
        elif row.tier is Tier.FROZEN:
            await self._lose(row, observed)

    async def _lose(self, row: Sandbox, observed: Observed | None) -> bool:
        """Whether it is lost. Missing is it twice in a row only: one that started after the look is missing once."""
        if observed is None:
            reason = LOST if row.id in self._missing else None
        else:
            reason = observed.reason or LOST if observed.state == "lost" else None
        if reason is not None:
            await self._changes.do(row.id, "lose", partial(self._unless_changed, row, self._lifecycle.fail, reason))
        return reason is not None

    async def _settle(self, row: Sandbox, _: Observed | None) -> None:
        """One that no request is waiting for is finished if its client will ask again, and removed if nobody will."""
        if row.awaited:
            await self._lifecycle.start(row)
        else:
            stop = partial(self._unless_changed, row, self._lifecycle.stop, INTERRUPTED)
            await self._changes.do(row.id, "abandon", stop)

    async def _unless_changed(self, row: Sandbox, end: Callable[[str, str], Awaitable[None]], reason: str) -> None:
        """Much may have happened to it since its row was read."""
        now_is = await self._sandboxes.get(row.id)
        if now_is is not None and _place(now_is) == _place(row):
            await end(row.id, reason)


def _place(row: Sandbox) -> tuple[object, ...]:
    return row.status, row.tier, row.waking


def _must_be_there(row: Sandbox) -> bool:
    return row.status is Status.RUNNING or (row.tier is Tier.FROZEN and not row.waking)
