"""A reader at a session: its output in order, and the way to its stdin."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from oc.model.errors import Unavailable
from oc.wire.messages import Attached, Cancel, Detach, Exited, Input, InputEnd, Output
from oc.worker.agent.stream import Chunk, Stream


class Attachment:
    """`async with` waits for the agent to let the reader in; iteration gives `Output`s and ends with one `Exited`.

    Leaving the block gives up the reader's place; with `keep_place` that of a named reader is kept for READER_GRACE_S,
    as it is when the connection is lost.
    """

    attached: Attached

    def __init__(self, stream: Stream, drop: Callable[[Stream], None]) -> None:
        self._stream = stream
        self._drop = drop
        self.exited: Exited | None = None
        self.keep_place = False
        self._got = 0

    async def __aenter__(self) -> Self:
        """Raises AgentFailed (ESRCH: no such session) and Unavailable."""
        try:
            self.attached = await self._stream.expect(Attached)
        except BaseException:
            self.detach()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.detach()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Output | Exited:
        if self.exited is not None:
            raise StopAsyncIteration
        item = await self._stream.take()
        if isinstance(item, Chunk):
            return Output(item.channel, item.offset, bytes(item.data))
        if not isinstance(item, Exited):
            raise Unavailable(f"the agent answered {type(item).__name__} to an attach")
        self.exited = item
        return item

    def settle_by_hand(self) -> None:
        """From now on the reader's place moves only by `has_got`: what is lost on the way to it can be read again."""
        self._stream.settles_itself = False
        self._got = self.attached.offset

    def has_got(self, offset: int) -> None:
        """All output before `offset` has arrived where it must not be lost any more."""
        if offset > self._got:
            self._stream.settle(offset - self._got)
            self._got = offset

    def has_room(self, size: int) -> bool:
        """`send` of that many bytes would not have to wait for the process."""
        return self._stream.has_room(size)

    async def send(self, data: bytes) -> None:
        """To stdin; waits while the process does not read. Ignored once the process has ended. Raises Unavailable."""
        await self._stream.send(data, Input)

    def end_input(self) -> None:
        self._stream.post(InputEnd())

    @property
    def input_taken(self) -> int:
        """Bytes of stdin that the agent has taken from this reader, over all its attachments."""
        return self.attached.input + self._stream.accepted

    async def input_taken_above(self, count: int) -> int | None:
        """Waits until `input_taken` is larger than `count`, and returns it; None when the session has ended."""
        while self.input_taken <= count:
            if self._stream.ended:
                return None
            await self._stream.credit()
        return self.input_taken

    def detach(self) -> None:
        """Reads no more."""
        if self.exited is None:
            self._stream.post(Cancel() if self.keep_place else Detach())
        self._drop(self._stream)
