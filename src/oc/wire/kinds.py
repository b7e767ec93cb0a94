"""The kinds of field a frame's payload is made of: each knows its own bytes and refuses what it does not allow.

They stand in the messages' annotations (`Annotated[int, Unsigned(2)]`): the table of messages is the codec's too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Protocol

MAX_TEXT = 64 << 10  # longest single `text`; the lists of one message are bounded by MAX_FRAME
CHUNK = 64 << 10  # most bytes of `Output`, `Input` and `Data` in one frame
COUNT_BYTES = 4  # size of the `u32` before every text, data and list


class ProtocolError(Exception):
    """The bytes, or the values that were to become bytes, break a rule of the protocol."""


class Kind(Protocol):
    def pack(self, value: object) -> bytes:
        """Bytes of one field; ProtocolError when the value is not one of this kind."""

    def unpack(self, payload: memoryview, at: int) -> tuple[object, int]:
        """The field that begins at `at`, and where the next one begins; ProtocolError when it is not there."""


def _take(payload: memoryview, at: int, size: int) -> memoryview:
    if at + size > len(payload):
        raise ProtocolError(f"a field of {size} bytes runs past the end of its frame")
    return payload[at : at + size]


def _count(payload: memoryview, at: int) -> tuple[int, int]:
    return int.from_bytes(_take(payload, at, COUNT_BYTES), "big"), at + COUNT_BYTES


@dataclass(frozen=True, slots=True)
class Unsigned:
    """`u8`, `u16`, `u32`, `u64`, big-endian; `low` and `high` narrow it where only some numbers have a meaning."""

    size: int
    low: int = 0
    high: int | None = None

    def _check(self, value: int) -> int:
        high = (1 << 8 * self.size) - 1 if self.high is None else self.high
        if not self.low <= value <= high:
            raise ProtocolError(f"{value} is not between {self.low} and {high}")
        return value

    def pack(self, value: object) -> bytes:
        if not isinstance(value, int):
            raise ProtocolError(f"a number was expected, not {type(value).__name__}")
        return self._check(value).to_bytes(self.size, "big")

    def unpack(self, payload: memoryview, at: int) -> tuple[object, int]:
        taken = _take(payload, at, self.size)
        return self._check(int.from_bytes(taken, "big")), at + self.size


@dataclass(frozen=True, slots=True)
class Octets:
    """`data`: `u32 length` and bytes, at most `limit`."""

    limit: int | None = None

    def _check(self, size: int) -> int:
        if self.limit is not None and size > self.limit:
            raise ProtocolError(f"{size} bytes where at most {self.limit} may be")
        return size

    def pack(self, value: object) -> bytes:
        if not isinstance(value, bytes):
            raise ProtocolError(f"bytes were expected, not {type(value).__name__}")
        return self._check(len(value)).to_bytes(COUNT_BYTES, "big") + value

    def unpack(self, payload: memoryview, at: int) -> tuple[object, int]:
        size, at = _count(payload, at)
        return bytes(_take(payload, at, self._check(size))), at + size


@dataclass(frozen=True, slots=True)
class String:
    """`text`: `u32 length` and at most MAX_TEXT bytes of UTF-8 without NUL."""

    def pack(self, value: object) -> bytes:
        if not isinstance(value, str):
            raise ProtocolError(f"text was expected, not {type(value).__name__}")
        try:
            encoded = value.encode()
        except UnicodeEncodeError as error:
            raise ProtocolError(f"text that is not Unicode: {error.reason}") from error
        return len(_plain(encoded)).to_bytes(COUNT_BYTES, "big") + encoded

    def unpack(self, payload: memoryview, at: int) -> tuple[object, int]:
        size, at = _count(payload, at)
        raw = _plain(bytes(_take(payload, at, size)))
        try:
            return raw.decode(), at + size
        except UnicodeDecodeError as error:
            raise ProtocolError(f"text that is not UTF-8: {error.reason}") from error


def _plain(encoded: bytes) -> bytes:
    if len(encoded) > MAX_TEXT:
        raise ProtocolError(f"a text of {len(encoded)} bytes, at most {MAX_TEXT} are allowed")
    if b"\0" in encoded:
        raise ProtocolError("a text with a NUL byte")
    return encoded


@dataclass(frozen=True, slots=True)
class Strings:
    """`texts`: `u32 count` and that many `text`."""

    item: String = String()

    def pack(self, value: object) -> bytes:
        if not isinstance(value, tuple):
            raise ProtocolError(f"a tuple of texts was expected, not {type(value).__name__}")
        return len(value).to_bytes(COUNT_BYTES, "big") + b"".join(map(self.item.pack, value))

    def unpack(self, payload: memoryview, at: int) -> tuple[object, int]:
        count, at = _count(payload, at)
        items: list[object] = []
        for _ in range(count):
            item, at = self.item.unpack(payload, at)
            items.append(item)
        return tuple(items), at


U8 = Annotated[int, Unsigned(1)]
U16 = Annotated[int, Unsigned(2)]
U32 = Annotated[int, Unsigned(4)]
U64 = Annotated[int, Unsigned(8)]
Flag = Annotated[int, Unsigned(1, high=1)]
Blob = Annotated[bytes, Octets()]
Bulk = Annotated[bytes, Octets(CHUNK)]
Text = Annotated[str, String()]
Texts = Annotated[tuple[str, ...], Strings()]
