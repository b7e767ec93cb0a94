"""Bulk bytes between the worker and something inside: a file that is read or written, a TCP port."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from oc.wire.messages import Cancel, Data, Done, End, Opened
from oc.worker.agent.stream import Chunk, Stream


class Pipe:
    """`async with` waits until it is open; iteration gives bytes until the other side has no more.

    Leaving the block before the agent's `Done` cancels the operation.
    """

    size: int  # of the file that is read; 0 otherwise, and for files that do not know (those in /proc)

    def __init__(self, stream: Stream, drop: Callable[[Stream], None]) -> None:
        self._stream = stream
        self._drop = drop
        self._read_all = False
        self._done = False

    async def __aenter__(self) -> Self:
        """Raises AgentFailed (ENOENT, EISDIR, ECONNREFUSED...) and Unavailable."""
        try:
            self.size = (await self._stream.expect(Opened)).size
        except BaseException:
            self._leave()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        if not self._done:
            self._stream.post(Cancel())
        self._drop(self._stream)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Raises AgentFailed when the operation fails midway, and Unavailable."""
        if not self._read_all:
            item = await self._stream.take()
            if isinstance(item, Chunk):
                return bytes(item.data)
            self._read_all = True
            self._done = isinstance(item, Done)
        raise StopAsyncIteration

    @property
    def ended(self) -> bool:
        """The agent wants no more: it has failed, or both sides have ended."""
        return self._stream.ended

    async def send(self, data: bytes) -> None:
        """Waits while the other side is behind. Raises Unavailable."""
        await self._stream.send(data, Data)

    def end(self) -> None:
        """No more bytes from here."""
        self._stream.post(End())

    async def finish(self) -> None:
        """Waits for the agent to say that all is done. Raises AgentFailed and Unavailable."""
        while not self._done:
            self._done = isinstance(await self._stream.take(), Done)
