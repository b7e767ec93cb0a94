"""What sandboxes have used in the last half hour, in memory: a picture for people, not a record."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from oc.server.hosts import Used, Worker

EVERY_S = 5.0
KEPT_S = 1800.0
MOST = int(KEPT_S / EVERY_S)  # of one sandbox


class Sample(NamedTuple):
    at: float  # seconds of `time.time`
    cpus: float  # that were busy since the sample before, on average
    memory_bytes: int


class Statistics:
    """Looks once when it is called. Sandboxes that are not seen any more are forgotten when their samples are old."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._samples: dict[str, deque[Sample]] = {}
        self._last: dict[str, tuple[float, float]] = {}  # of those seen the last time: when, and CPU seconds

    async def __call__(self) -> None:
        self.note(await self._worker.statistics(), time.time())

    def note(self, used: Sequence[Used], at: float) -> None:
        before, self._last = self._last, {one.id: (at, one.cpu_seconds) for one in used}
        for one in used:
            if one.id in before:
                self._add(one, at, *before[one.id])
        for id in [id for id, samples in self._samples.items() if samples[-1].at < at - KEPT_S]:
            del self._samples[id]

    def of(self, id: str) -> Sequence[Sample]:
        """The oldest first, a few seconds from one to the next, with gaps where it slept."""
        return tuple(self._samples.get(id, ()))

    def now(self, id: str) -> Sample | None:
        """None for one that does not run."""
        samples = self._samples.get(id)
        return samples[-1] if samples and id in self._last else None

    def mean_memory(self, id: str, seconds: float, now: float) -> float | None:
        """Bytes, over the last so many seconds. None for one of which less than half of that is known."""
        used = [sample.memory_bytes for sample in self._samples.get(id, ()) if now - seconds <= sample.at <= now]
        return sum(used) / len(used) if len(used) * EVERY_S >= seconds / 2 else None

    def _add(self, one: Used, at: float, before: float, cpu_seconds: float) -> None:
        """A counter that has gone back is a new one: the sandbox was started anew."""
        if at > before and one.cpu_seconds >= cpu_seconds:
            sample = Sample(at, (one.cpu_seconds - cpu_seconds) / (at - before), one.memory_bytes)
            self._samples.setdefault(one.id, deque(maxlen=MOST)).append(sample)
