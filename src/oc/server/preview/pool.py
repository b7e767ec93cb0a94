"""Connections into sandboxes that may have another request, for a moment."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from oc.server.preview.upstream import Upstream

IDLE_S = 1.5  # servers close idle connections themselves after 2 (gunicorn), 5 (Node, uvicorn) or more seconds
SWEEP_S = 0.5
MOST_OF_ONE = 128  # idle connections to one port
MOST = 1024  # in all

Place = tuple[str, int]  # sandbox and port


class Pool:
    def __init__(self) -> None:
        self._idle: dict[Place, deque[tuple[float, Upstream]]] = {}  # the longest idle first
        self._count = 0
        self._sweep: asyncio.TimerHandle | None = None

    def take(self, place: Place) -> Upstream | None:
        """The one that was used last: others may end of old age."""
        idle = self._idle.get(place)
        while idle:
            _, upstream = idle.pop()
            self._count -= 1
            if not upstream.closed:
                return upstream
        return None

    def give(self, place: Place, upstream: Upstream) -> None:
        idle = self._idle.setdefault(place, deque())
        if len(idle) >= MOST_OF_ONE or self._count >= MOST:
            upstream.close()
            return
        idle.append((time.monotonic(), upstream))
        self._count += 1
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(SWEEP_S, self._tidy)

    def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        self._drop_before(float("inf"))

    def _tidy(self) -> None:
        self._drop_before(time.monotonic() - IDLE_S)
        self._sweep = asyncio.get_running_loop().call_later(SWEEP_S, self._tidy) if self._idle else None

    def _drop_before(self, moment: float) -> None:
        for place, idle in list(self._idle.items()):
            while idle and (idle[0][0] < moment or idle[0][1].closed):
                idle.popleft()[1].close()
                self._count -= 1
            if not idle:
                del self._idle[place]
