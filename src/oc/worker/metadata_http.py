"""One bounded request of HTTP/1.1 on a connection, from somebody who may mean ill (RFC 9112)."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, NamedTuple

import httptools
import msgspec

from oc.model.errors import BadRequest, TooLarge

MAX_HEAD, MAX_BODY = 8 << 10, 4 << 10  # bytes
END = b"\r\n\r\n"
REFUSED = (httptools.HttpParserError, httptools.HttpParserUpgrade)


class Request(NamedTuple):
    method: str
    path: str
    body: bytes


class Head:
    """Callbacks of the parser. Headers are only looked at for how long the body is."""

    def __init__(self) -> None:
        self.target = b""
        self.length = 0

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"transfer-encoding":
            raise BadRequest("the body must have a Content-Length")
        if name.lower() == b"content-length":
            self.length = int(value)  # the parser takes digits only, and one such header


async def read(reader: asyncio.StreamReader) -> Request | None:
    """None: who asked has gone. Raises BadRequest and TooLarge."""
    try:
        raw = await reader.readuntil(END)
        method, path, length = _parse(raw)
        return Request(method, path, await reader.readexactly(length))
    except asyncio.LimitOverrunError as error:
        raise TooLarge(f"the head of a request may have {MAX_HEAD} bytes") from error
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def _parse(raw: bytes) -> tuple[str, str, int]:
    head = Head()
    parser = httptools.HttpRequestParser(head)
    try:
        parser.feed_data(raw)
        path = httptools.parse_url(head.target).path or b""
    except httptools.HttpParserCallbackError as error:
        raise (error.__context__ if isinstance(error.__context__, BadRequest) else BadRequest(str(error))) from error
    except REFUSED as error:
        raise BadRequest(f"this is not a request of HTTP/1.1: {error}") from error
    if head.length > MAX_BODY:
        raise TooLarge(f"the body of a request may have {MAX_BODY} bytes")
    return parser.get_method().decode("latin-1"), path.decode("latin-1"), head.length


def answer(status: int, body: Any) -> bytes:
    content = msgspec.json.encode(body)
    phrase = HTTPStatus(status).phrase
    head = (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + content
