"""Things that go on by themselves: a process that counts, an interval timer, a thread."""

from __future__ import annotations

import mmap
import os
import signal
import struct
import threading
import time
from types import FrameType

from .probe import expect_growth

NUMBER = struct.Struct("<Q")
PERIOD_S = 0.1


class Counter:
    """A process of its own, whose number is in memory that it shares with this one."""

    name = "counter"

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self._former = 0
        parent = os.getpid()
        self.pid = os.fork()
        if not self.pid:
            self._count(parent)

    def _count(self, parent: int) -> None:
        number = 0
        while os.getppid() == parent:
            number += 1
            NUMBER.pack_into(self._page, 0, number)
            time.sleep(PERIOD_S)
        os._exit(0)

    @property
    def number(self) -> int:
        return int(NUMBER.unpack_from(self._page)[0])

    def check(self) -> None:
        self._former = expect_growth(lambda: self.number, self._former, "the counter")


class Timer:
    """Ticks are signals, which Python handles in the main thread."""

    name = "timer"

    def __init__(self) -> None:
        self._ticks = self._former = 0
        signal.signal(signal.SIGALRM, self._tick)
        signal.setitimer(signal.ITIMER_REAL, PERIOD_S, PERIOD_S)

    def _tick(self, number: int, frame: FrameType | None) -> None:
        self._ticks += 1

    def check(self) -> None:
        self._former = expect_growth(lambda: self._ticks, self._former, "the timer")


class Thread:
    """Sleeps on a monotonic deadline between two steps."""

    name = "thread"

    def __init__(self) -> None:
        self._steps = self._former = 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            self._steps += 1
            time.sleep(PERIOD_S)

    def check(self) -> None:
        self._former = expect_growth(lambda: self._steps, self._former, "the thread")
