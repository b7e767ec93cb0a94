"""Lets the memory of sandboxes follow what they use, between bounds that their owners have set (contract 2.1.10)."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from oc.model.errors import OpenComputerError
from oc.server.changes import Changes
from oc.server.loops.together import side_by_side
from oc.server.scaling import Scaling
from oc.server.statistics import Statistics
from oc.store.sandboxes import By, Sandbox
from oc.store.scaling import Scaling as Rows

MINUTE_S = 60.0
HIGH, LOW = 0.75, 0.25  # of its memory, in use
UP_PAUSE_S, DOWN_PAUSE_S = MINUTE_S, 5 * MINUTE_S  # after the last change
QUIET_S = (MINUTE_S, 5 * MINUTE_S, 15 * MINUTE_S)  # it has used little over all of these

Mean = Callable[[float], float | None]  # bytes used in the last so many seconds; None: not known
log = structlog.get_logger()


def step(memory_mb: int, least_mb: int, most_mb: int, mean: Mean, unchanged_s: float) -> int:
    """Megabytes that it is to have: twice or half of what it has, or the same."""
    size = memory_mb << 20
    last = mean(MINUTE_S)
    if not least_mb <= memory_mb <= most_mb:
        return max(least_mb, min(memory_mb, most_mb))
    if last is not None and last > HIGH * size and unchanged_s >= UP_PAUSE_S:
        return min(2 * memory_mb, most_mb)
    if unchanged_s >= DOWN_PAUSE_S and all(_below(mean(seconds), LOW * size) for seconds in QUIET_S):
        return max(memory_mb // 2, least_mb)
    return memory_mb


def _below(mean: float | None, bound: float) -> bool:
    return mean is not None and mean < bound


class Autoscale:
    """Looks once when it is called. What cannot be done now is tried again after a pause."""

    def __init__(self, rows: Rows, scaling: Scaling, statistics: Statistics, changes: Changes) -> None:
        self._rows = rows
        self._scaling = scaling
        self._statistics = statistics
        self._changes = changes
        self._changed: dict[str, float] = {}  # of `time.monotonic`

    async def __call__(self) -> None:
        rows = await self._rows.autoscaled()
        self._changed = {row.id: self._changed[row.id] for row in rows if row.id in self._changed}
        await side_by_side([self._look(row) for row in rows if not self._changes.under_way(row.id)])

    async def _look(self, row: Sandbox) -> None:
        memory_mb = row.wish.size.memory_mb
        wanted = step(
            memory_mb,
            row.autoscale_min_mb or memory_mb,
            row.autoscale_max_mb or memory_mb,
            lambda seconds: self._statistics.mean_memory(row.id, seconds, time.time()),
            time.monotonic() - self._changed.get(row.id, float("-inf")),
        )
        if wanted == memory_mb:
            return
        self._changed[row.id] = time.monotonic()
        try:
            await self._scaling.scale(row, wanted, None, By.AUTOSCALE)
        except OpenComputerError as error:
            log.info("not autoscaled", sandbox=row.id, memory_mb=wanted, error=error.text)
