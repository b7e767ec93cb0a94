"""A client's way to a process's stdin, with room for what the process does not take at once.

The room is why a client's other messages are read although its stdin stands still: were they not, a process that waits
for its output to be acknowledged before it reads on would wait for ever.
"""

from __future__ import annotations

import asyncio
from collections import deque

from oc.worker.agent.attachment import Attachment

ROOM = 1 << 20  # bytes; what our own client sends at most without an acknowledgement


class Stdin:
    def __init__(self, attachment: Attachment) -> None:
        self._attachment = attachment
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._changed = asyncio.Event()

    async def put(self, data: bytes) -> None:
        """Waits for room. What the agent takes at once is on its way on return, even if the client leaves then."""
        if not self._waiting and self._attachment.has_room(len(data)):
            await self._pass_on(data)
            return
        while self._size and self._size + len(data) > ROOM:
            await self._change()
        self._waiting.append(data)
        self._size += len(data)
        self._changed.set()

    async def pump(self) -> None:
        """Passes on what waits, until it is cancelled. Raises Unavailable."""
        while True:
            while not self._waiting:
                await self._change()
            await self._pass_on(self._waiting[0])
            self._size -= len(self._waiting.popleft())
            self._changed.set()

    async def _pass_on(self, data: bytes) -> None:
        """Nothing stands for the end of input."""
        if data:
            await self._attachment.send(data)
        else:
            self._attachment.end_input()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
