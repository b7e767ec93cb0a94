"""Compressed answers, which come although none were asked for."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from oc.egress import limits

Decode = Callable[[bytes], bytes]


class Inflater:
    """gzip (RFC 1952, several members too) and deflate (RFC 1950, and the bare RFC 1951 that some servers mean)."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.stream = zlib.decompressobj(window)
        self.begun = False

    def __call__(self, piece: bytes) -> bytes:
        """b"" ends. Raises ValueError for damaged data, and for pieces that become absurdly large."""
        out = b""
        try:
            while piece and len(out) <= limits.INFLATED:
                out += self.inflate(piece, limits.INFLATED + 1 - len(out))
                piece = self.stream.unconsumed_tail or self.next_member()
        except zlib.error as error:
            raise ValueError("the answer's compression is damaged") from error
        if len(out) > limits.INFLATED:
            raise ValueError("the answer expands too much")
        return out

    def inflate(self, piece: bytes, most: int) -> bytes:
        try:
            out = self.stream.decompress(piece, most)
        except zlib.error:
            if self.begun or self.window != zlib.MAX_WBITS:
                raise
            self.window = -zlib.MAX_WBITS
            self.stream = zlib.decompressobj(self.window)
            out = self.stream.decompress(piece, most)
        self.begun = True
        return out

    def next_member(self) -> bytes:
        """What follows the end of one; trailing rubbish is dropped, as gzip(1) does."""
        rest = self.stream.unused_data
        if not rest.startswith(b"\x1f\x8b") or self.window < 16:
            return b""
        self.stream = zlib.decompressobj(self.window)
        return rest


def decoder(encoding: str) -> Decode | None:
    """Of a Content-Encoding; None if it is unknown."""
    name = encoding.strip().lower()
    if name in ("gzip", "x-gzip"):
        return Inflater(zlib.MAX_WBITS | 16)
    if name == "deflate":
        return Inflater(zlib.MAX_WBITS)
    return (lambda piece: piece) if name in ("", "identity") else None
