"""WebSocket frames (RFC 6455, section 5) as bytes in and out, without a socket.

Payloads of messages are handed on as they arrive, in pieces, so that no message is ever held whole.
"""

from __future__ import annotations

import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FINAL, MASKED = 0x80, 0x80
CONTROL_BYTES = 125  # most that a control frame may carry
BUFFER = 256 << 10
NORMAL, LOST, PROTOCOL_ERROR = 1000, 1006, 1002


class Closed(Exception):  # noqa: N818 - an event of the protocol
    """The connection has ended; LOST when without a close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{reason or 'connection closed'} ({code})")
        self.code = code
        self.reason = reason


def encode(opcode: int, payload: bytes) -> bytes:
    """One whole message, masked as a client must."""
    size = len(payload)
    if size <= CONTROL_BYTES:
        head = struct.pack("!BB", FINAL | opcode, MASKED | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", FINAL | opcode, MASKED | 126, size)
    else:
        head = struct.pack("!BBQ", FINAL | opcode, MASKED | 127, size)
    key = os.urandom(4)
    return head + key + masked(payload, key)


def masked(payload: bytes, key: bytes) -> bytes:
    """Each byte xor its byte of the key, in one operation on two long integers."""
    size = len(payload)
    keys = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(keys, "little")).to_bytes(size, "little")


def close_payload(code: int, reason: str = "") -> bytes:
    return struct.pack("!H", code) + reason.encode()[: CONTROL_BYTES - 2]


class Decoder:
    """Receive into `space()`, tell `decode` how much it was."""

    def __init__(self, received: bytes = b"") -> None:
        self._buffer = memoryview(bytearray(max(BUFFER, 2 * len(received))))
        self._buffer[: len(received)] = received
        self._filled = len(received)
        self._understood = 0
        self._left = 0  # bytes of the current frame that have not come yet
        self._open = self._final = self._fresh = self._ignored = False
        self.pings: list[bytes] = []  # payloads that wait for a pong

    def space(self) -> memoryview:
        """What has not been understood yet, at most one head and control payload, moves to the front."""
        rest = bytes(self._buffer[self._understood : self._filled])
        self._buffer[: len(rest)] = rest
        self._understood, self._filled = 0, len(rest)
        return self._buffer[self._filled :]

    def decode(self, count: int) -> Iterator[tuple[bool, bool, memoryview]]:
        """Pieces of binary messages: whether it is the first, the last, and its bytes, valid until the next `space()`.

        A message without any bytes gives no piece. Raises Closed.
        """
        self._filled += count
        position = 0
        while True:
            if self._left:
                piece = self._buffer[position : min(position + self._left, self._filled)]
                if not piece:
                    break
                position += len(piece)
                self._left -= len(piece)
                if not self._ignored:
                    yield self._fresh, self._final and not self._left, piece
                self._fresh = False
            elif frame := self._head(position):
                opcode, final, size, head = frame
                if opcode >= CLOSE:
                    if self._filled - position < head + size:
                        break
                    self._control(opcode, bytes(self._buffer[position + head : position + head + size]))
                    position += size
                elif self._begin(opcode, final, size):
                    yield False, True, self._buffer[:0]
                position += head
            else:
                break
        self._understood = position

    def _head(self, at: int) -> tuple[int, bool, int, int] | None:
        """Opcode, whether final, payload size and size of the head itself; None while it is not all there."""
        have = self._filled - at
        if have < 2:
            return None
        first, second = self._buffer[at], self._buffer[at + 1]
        opcode, final, size = first & 0x0F, bool(first & FINAL), second & 0x7F
        wide = size > CONTROL_BYTES
        if first & 0x70 or second & MASKED or opcode > PONG or (opcode >= CLOSE and (wide or not final)):
            raise Closed(PROTOCOL_ERROR, "the server sent a frame that breaks RFC 6455")
        if not wide:
            return opcode, final, size, 2
        form, head = ("!H", 4) if size == 126 else ("!Q", 10)
        if have < head:
            return None
        return opcode, final, struct.unpack_from(form, self._buffer, at + 2)[0], head

    def _begin(self, opcode: int, final: bool, size: int) -> bool:
        """A data frame. True when it is an empty one that ends a message of which pieces have been given."""
        if (opcode == CONTINUATION) != self._open:
            raise Closed(PROTOCOL_ERROR, "the server sent fragments out of order")
        if opcode != CONTINUATION:
            self._fresh, self._ignored = True, opcode != BINARY
        self._open, self._final, self._left = not final, final, size
        return final and not size and not self._fresh and not self._ignored

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self.pings.append(payload)
        elif opcode == CLOSE:
            code = struct.unpack_from("!H", payload)[0] if len(payload) > 1 else NORMAL
            raise Closed(code, payload[2:].decode("utf-8", "replace"))
