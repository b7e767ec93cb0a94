"""Moves frozen sandboxes to the blob store: after a while, or when the host's memory gets short (contract 4.2)."""

from __future__ import annotations

import time

import structlog

from oc.api.timestamps import SECOND, now
from oc.model.errors import OpenComputerError
from oc.server.changes import Changes
from oc.server.hosts import Worker, WorkerUnavailable
from oc.server.loops.together import side_by_side
from oc.server.sleep import Sleep
from oc.store.hibernations import Hibernations
from oc.store.sandboxes import Sandbox, Tier

AGAIN_S = 60.0  # between attempts to store one that cannot be stored
SHORT = 0.10  # of the host's memory
FRESH_S = 1.0
log = structlog.get_logger()


class StoreFrozen:
    def __init__(self, rows: Hibernations, worker: Worker, sleep: Sleep, changes: Changes, freeze_seconds: int) -> None:
        self._rows = rows
        self._worker = worker
        self._sleep = sleep
        self._changes = changes
        self._freeze_seconds = freeze_seconds
        self._not_before: dict[str, float] = {}  # of those that could not be stored

    async def __call__(self) -> None:
        asleep = await self._rows.in_tiers(Tier.FROZEN, Tier.STORING)
        self._not_before = {row.id: self._not_before.get(row.id, 0.0) for row in asleep}
        able = [row for row in asleep if self._not_before[row.id] <= time.monotonic()]
        due = [row for row in able if self._due(row)]
        if not due and able and await self._memory_is_short():
            due = able[:1]  # one at a time: it may be enough
        await side_by_side([self._store(row.id) for row in due if not self._changes.under_way(row.id)])

    def _due(self, row: Sandbox) -> bool:
        """What a crash cut short goes on at once."""
        return row.tier is Tier.STORING or (row.hibernated_at or 0) + self._freeze_seconds * SECOND <= now()

    async def _memory_is_short(self) -> bool:
        host = await self._worker.host(most_s=FRESH_S)
        return host.memory_available_mb < SHORT * host.memory_mb

    async def _store(self, id: str) -> None:
        try:
            await self._sleep.store(id)
        except WorkerUnavailable as error:
            log.debug("worker is away", error=error.text)
        except OpenComputerError as error:
            log.warning("could not be stored", sandbox=id, error=error.text)
            self._not_before[id] = time.monotonic() + AGAIN_S
