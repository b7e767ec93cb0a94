"""The loops of the control plane: each is a deed that is done again and again, alone, and never ends the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

import structlog

from oc.model.errors import OpenComputerError
from oc.server.activity import FLUSH_S, Activity
from oc.server.auth import Door
from oc.server.hosts import Worker
from oc.server.lifecycle import Lifecycle
from oc.server.loops.expire import Expire
from oc.server.loops.flush import Flush
from oc.server.loops.heal import Heal
from oc.store.store import Store

HEAL_S = 2.0
EXPIRE_S = 1.0
log = structlog.get_logger()
Deed = Callable[[], Awaitable[None]]


async def again_and_again(name: str, every_s: float, deed: Deed) -> None:
    """What goes wrong once is logged, and tried again at the next turn."""
    while True:
        try:
            await deed()
        except OpenComputerError as error:
            log.warning("loop failed", loop=name, error=error.text)
        except Exception:
            log.exception("loop failed", loop=name)
        await asyncio.sleep(every_s)


class Loops:
    """Runs them while it is entered; what is in memory is written when it is left."""

    def __init__(self, store: Store, worker: Worker, lifecycle: Lifecycle, activity: Activity, door: Door) -> None:
        self._flush = Flush(store, activity, door)
        self._deeds: dict[str, tuple[float, Deed]] = {
            "heal": (HEAL_S, Heal(store.sandboxes, worker, lifecycle)),
            "expire": (EXPIRE_S, Expire(store.sandboxes, lifecycle, activity)),
            "flush": (FLUSH_S, self._flush),
        }
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Loops:
        self._tasks = [
            asyncio.create_task(again_and_again(name, every_s, deed), name=name)
            for name, (every_s, deed) in self._deeds.items()
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._flush()
