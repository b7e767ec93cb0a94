"""Deeds of a loop's turn that need not wait for each other."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

AT_ONCE = 8
Deed = Coroutine[Any, Any, None]


async def side_by_side(deeds: Sequence[Deed]) -> None:
    """All of them, AT_ONCE at a time; the first error is raised when all have ended."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def in_turn(deed: Deed) -> None:
        async with turns:
            await deed

    ends = await asyncio.gather(*(in_turn(deed) for deed in deeds), return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end
