"""Header fields, and the rules that both directions share (RFC 9110, 5 and 7.6.1; RFC 9112, 6)."""

from __future__ import annotations

import re

Fields = list[tuple[bytes, bytes]]  # names in lower case

CONNECTION, LENGTH, CODING = b"connection", b"content-length", b"transfer-encoding"
_NOT_NAME = re.compile(rb"[^!#$%&'*+.^_`|~0-9a-z-]")
_NOT_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_DIGITS = re.compile(rb"[0-9]{1,18}")


class Malformed(Exception):  # noqa: N818 - as in model.errors
    """A head whose meaning could be taken differently by the next who reads it."""


def check(fields: Fields) -> None:
    """Raises Malformed when they could not be written down again as they are."""
    names, values = [name for name, _ in fields], [value for _, value in fields]
    if b"" in names or _NOT_NAME.search(b"".join(names)):
        raise Malformed("a header name that is none")
    if _NOT_VALUE.search(b"".join(values)):
        raise Malformed("a header with control characters")


def framing(lengths: list[bytes], codings: list[bytes]) -> None:
    """Raises Malformed unless there is one way to tell where the body ends. One header may be given once."""
    if len(lengths) > 1 or len(codings) > 1 or (lengths and codings):
        raise Malformed("more than one length of the body")
    if lengths and not _DIGITS.fullmatch(lengths[0]):
        raise Malformed("Content-Length is not a number")
    if codings and codings[0].lower() != b"chunked":
        raise Malformed("Transfer-Encoding is not chunked")


def words(value: bytes) -> list[bytes]:
    """Of a list that is separated by commas, in lower case."""
    return [word.strip().lower() for word in value.split(b",")]
