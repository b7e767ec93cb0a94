"""Time that work takes."""

from __future__ import annotations

import time
from collections.abc import Callable


def seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def several(work: Callable[[], object], times: int) -> list[float]:
    return [seconds(work) for _ in range(times)]
