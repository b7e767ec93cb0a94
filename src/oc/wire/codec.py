"""Messages to bytes and back, without any I/O. Both directions: tests and the fake play the agent's side too."""

from __future__ import annotations

from dataclasses import fields
from struct import Struct
from typing import get_args, get_type_hints

from oc.wire.kinds import Kind, ProtocolError
from oc.wire.messages import MAX_FRAME, Message

__all__ = ["Decoder", "ProtocolError", "encode"]

HEAD = Struct("!IBI")  # size, kind, stream
SIZE = Struct("!I")
COUNTED = HEAD.size - SIZE.size  # what of the head `size` counts


def _layout(message: type[Message]) -> tuple[tuple[str, Kind], ...]:
    hints = get_type_hints(message, include_extras=True)
    return tuple((field.name, get_args(hints[field.name])[1]) for field in fields(message))  # type: ignore[arg-type]


BY_KIND: dict[int, type[Message]] = {message.KIND: message for message in Message.__subclasses__()}
LAYOUT = {message: _layout(message) for message in BY_KIND.values()}


def encode(stream: int, message: Message) -> bytes:
    """One frame. ProtocolError: a value that its field cannot hold, or a frame above MAX_FRAME."""
    payload = b"".join(kind.pack(getattr(message, name)) for name, kind in LAYOUT[type(message)])
    size = COUNTED + len(payload)
    if size > MAX_FRAME:
        raise ProtocolError(f"a frame of {size} bytes, at most {MAX_FRAME} are allowed")
    if not 0 <= stream <= 0xFFFFFFFF:
        raise ProtocolError(f"no stream can have the number {stream}")
    return HEAD.pack(size, message.KIND, stream) + payload


def _decode(number: int, payload: memoryview) -> Message:
    message = BY_KIND.get(number)
    if message is None:
        raise ProtocolError(f"no message has the number {number}")
    values: list[object] = []
    at = 0
    for _, kind in LAYOUT[message]:
        value, at = kind.unpack(payload, at)
        values.append(value)
    if at != len(payload):
        raise ProtocolError(f"{len(payload) - at} bytes too many in a {message.__name__}")
    return message(*values)


class Decoder:
    """Takes a connection's bytes as they come. After a ProtocolError it is of no further use: close the connection."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._held = 0
        self._needed = SIZE.size  # bytes without which nothing more can be decoded

    def feed(self, data: bytes) -> list[tuple[int, Message]]:
        """The messages that `data` completes, each with its stream. ProtocolError: the peer broke a rule."""
        self._parts.append(data)
        self._held += len(data)
        return [] if self._held < self._needed else self._frames(b"".join(self._parts))

    def _frames(self, held: bytes) -> list[tuple[int, Message]]:
        found: list[tuple[int, Message]] = []
        at = 0
        with memoryview(held) as view:
            while len(held) - at >= SIZE.size:
                end = at + SIZE.size + self._size(held, at)
                if end > len(held):
                    break
                _, number, stream = HEAD.unpack_from(held, at)
                found.append((stream, _decode(number, view[at + HEAD.size : end])))
                at = end
        self._keep(held[at:])
        return found

    def _keep(self, rest: bytes) -> None:
        self._parts = [rest]
        self._held = len(rest)
        self._needed = SIZE.size + (self._size(rest, 0) if len(rest) >= SIZE.size else 0)

    @staticmethod
    def _size(held: bytes, at: int) -> int:
        (size,) = SIZE.unpack_from(held, at)
        if not COUNTED <= size <= MAX_FRAME:
            raise ProtocolError(f"a frame of {size} bytes, between {COUNTED} and {MAX_FRAME} are allowed")
        return int(size)
