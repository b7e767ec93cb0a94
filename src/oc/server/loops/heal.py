"""Compares what is wanted with what the worker has, and mends the difference (design 2.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

import structlog

from oc.model.errors import OpenComputerError
from oc.model.sandbox import Observed, Status
from oc.server.hosts import Worker, WorkerUnavailable
from oc.server.lifecycle import Lifecycle
from oc.store.sandboxes import ACTIVE, Sandbox, Sandboxes

INTERRUPTED = "the server was stopped while it was being created"
LOST = "the worker has lost it"
AT_ONCE = 8  # starts and removals under way together
Deed = Coroutine[Any, Any, None]
log = structlog.get_logger()


class Heal:
    def __init__(self, sandboxes: Sandboxes, worker: Worker, lifecycle: Lifecycle) -> None:
        self._sandboxes = sandboxes
        self._worker = worker
        self._lifecycle = lifecycle
        self._missing: frozenset[str] = frozenset()

    async def __call__(self) -> None:
        """The worker is asked before the rows are read: what is new there has its row by then.

        While the worker is away nothing is known of its sandboxes, and rows stay as they are.
        """
        try:
            observed = {each.id: each for each in await self._worker.sandboxes()}
        except WorkerUnavailable as error:
            log.debug("worker is away", error=error.text)
            return
        rows = {row.id: row for row in await self._sandboxes.in_states(*ACTIVE)}
        await side_by_side(self._deeds(rows, observed))
        running = {id for id, row in rows.items() if row.status is Status.RUNNING}
        self._missing = frozenset(running - observed.keys())

    def _deeds(self, rows: Mapping[str, Sandbox], observed: Mapping[str, Observed]) -> list[Deed]:
        unwanted = [self._lifecycle.remove(id) for id in observed.keys() - rows.keys()]
        return [*unwanted, *(self._mend(row, observed.get(row.id)) for row in rows.values())]

    async def _mend(self, row: Sandbox, observed: Observed | None) -> None:
        if row.status is Status.PENDING:
            await self._settle(row)
        elif observed is None and row.id in self._missing:
            # Twice in a row: one that was started after the worker had been asked is missing once.
            await self._lifecycle.fail(row.id, LOST)
        elif observed is not None and observed.state == "lost":
            await self._lifecycle.fail(row.id, observed.reason or LOST)

    async def _settle(self, row: Sandbox) -> None:
        """One that no request is waiting for is finished if its client will ask again, and removed if nobody will."""
        if self._lifecycle.is_starting(row.id):
            return
        if not row.awaited:
            await self._lifecycle.stop(row.id, INTERRUPTED)
            return
        try:
            await self._lifecycle.start(row)
        except OpenComputerError as error:  # its row says so
            log.info("could not be finished", sandbox=row.id, error=error.text)


async def side_by_side(deeds: list[Deed]) -> None:
    """All of them, AT_ONCE at a time; the first error is raised when all have ended."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def in_turn(deed: Deed) -> None:
        async with turns:
            await deed

    ends = await asyncio.gather(*(in_turn(deed) for deed in deeds), return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end
