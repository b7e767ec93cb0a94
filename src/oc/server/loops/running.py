"""The loops of the control plane: each is a deed that is done again and again, alone, and never ends the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType

import structlog

from oc.model.errors import OpenComputerError

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

    def __init__(self, deeds: Mapping[str, tuple[float, Deed]], last: Deed) -> None:
        """`deeds`: each with its seconds from one turn to the next; `last` is done once more at the end."""
        self._deeds = deeds
        self._last = last
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
        await self._last()
