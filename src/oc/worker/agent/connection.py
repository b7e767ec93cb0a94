"""The bytes of a link: frames in and out, one write for all frames of a turn of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from oc.wire.codec import Decoder, ProtocolError, encode
from oc.wire.messages import Message
from oc.worker.agent.failure import PeerBroken

HIGH_WATER = 256 << 10  # bytes that may wait for the socket before bulk senders wait


class Connection(asyncio.Protocol):
    def __init__(self, receive: Callable[[int, Message], None], lost: Callable[[str], None]) -> None:
        self._receive = receive
        self._lost = lost
        self._reason = "the sandbox closed the connection"
        self._decoder = Decoder()
        self._frames: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._blocked: dict[Callable[[], None], None] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._transport.set_write_buffer_limits(HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        try:
            for stream, message in self._decoder.feed(data):
                self._receive(stream, message)
        except (ProtocolError, PeerBroken) as error:
            self.abort(f"the agent broke its protocol: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self._reason = f"the connection to the sandbox was lost: {error}"
        self._transport = None
        self._writable.set()
        self._lost(self._reason)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()
        blocked, self._blocked = self._blocked, {}
        for push in blocked:
            push()

    def post(self, stream: int, message: Message) -> None:
        """Sends a frame with the others of this turn; after the end of the connection there is nobody to send to."""
        if self._transport is None:
            return
        if not self._frames:
            asyncio.get_running_loop().call_soon(self._flush)
        self._frames.append(encode(stream, message))

    def _flush(self) -> None:
        frames, self._frames = self._frames, []
        if frames and self._transport is not None:
            self._transport.writelines(frames)

    async def drained(self) -> None:
        await self._writable.wait()

    @property
    def writable(self) -> bool:
        return self._writable.is_set()

    def call_when_writable(self, push: Callable[[], None]) -> None:
        """Once; not at all when the connection is lost before."""
        self._blocked[push] = None

    def abort(self, reason: str) -> None:
        self._reason = reason
        if self._transport is not None:
            self._transport.abort()

    def close(self, reason: str) -> None:
        """Sends what waits, then closes."""
        self._reason = reason
        if self._transport is not None:
            self._flush()
            self._transport.close()
