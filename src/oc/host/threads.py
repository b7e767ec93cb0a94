"""Blocking kernel work beside the event loop."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs a blocking function in a thread.

    A thread cannot be interrupted: when the caller is cancelled, this waits for the function's end first, so that what
    the caller undoes afterwards is not done again behind its back.
    """
    work = asyncio.get_running_loop().run_in_executor(None, functools.partial(function, *args, **kwargs))
    await settled(work)
    return work.result()


async def settled(work: asyncio.Future[T]) -> None:
    """Waits until the future is done, whatever happens to the caller, and only then lets a cancellation through."""
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            cancelled = error
    if not work.cancelled():
        work.exception()  # marks it as seen: a caller who is cancelled is told of that instead
    if cancelled is not None:
        raise cancelled
