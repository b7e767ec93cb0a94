"""What is being done to sandboxes: to each one thing after another (contract 4.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

from oc.model.errors import Unavailable

T = TypeVar("T")


class Stopping(Unavailable):
    """This server is; the next one goes on with what has begun."""


class Change(NamedTuple):
    name: str
    task: asyncio.Task[Any]


class Changes:
    """A change goes on when its caller is cancelled. Asked for again while it is the last in its line, it is joined.

    A change is in its line before `begin` returns: whoever looks later sees it.
    """

    def __init__(self) -> None:
        self._last: dict[str, Change] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def under_way(self, id: str) -> bool:
        return id in self._last

    async def settled(self, id: str) -> None:
        """Returns when nothing is being done to it."""
        while (last := self._last.get(id)) is not None:
            await asyncio.wait([last.task])

    async def do(self, id: str, name: str, act: Callable[[], Awaitable[T]]) -> T:
        """Raises Stopping, and what the change raises."""
        task = self.begin(id, name, act)
        await asyncio.wait([task])
        if task.cancelled():
            raise Stopping("the server is stopping", hint="try again in a few seconds")
        return task.result()

    def begin(self, id: str, name: str, act: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        last = self._last.get(id)
        if last is not None and last.name == name:
            return last.task
        task = asyncio.create_task(_after(last, act), name=f"{name} {id}")
        self._last[id] = Change(name, task)
        self._tasks.add(task)
        task.add_done_callback(lambda ended: self._finished(id, ended))
        return task

    async def close(self) -> None:
        """What is under way is left to the next server: rows tell it of everything that has begun."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _finished(self, id: str, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if self._last[id].task is task:
            del self._last[id]
        if not task.cancelled():
            task.exception()  # seen: whoever asked may have gone


async def _after(last: Change | None, act: Callable[[], Awaitable[T]]) -> T:
    if last is not None:
        await asyncio.wait([last.task])
    return await act()
