"""Coroutines that serve one client together and end together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import Receive


@asynccontextmanager
async def side_by_side(*works: Coroutine[Any, Any, Any]) -> AsyncIterator[tuple[asyncio.Task[Any], ...]]:
    """Runs `works` as tasks while the block lasts; afterwards all have ended. The block looks at their results."""
    tasks = tuple(asyncio.ensure_future(work) for work in works)
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # what matters has been looked at


async def first_of(*tasks: asyncio.Task[Any], timeout_s: float | None = None) -> None:
    """Waits for one of `tasks` to end. Raises what those that have ended raised."""
    done, _ = await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task in done:
            task.result()


async def until_gone(receive: Receive) -> None:
    """Ends when an HTTP client has gone away; the request's body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass
