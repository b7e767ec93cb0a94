"""The explicit proxy's own language: CONNECT, or one request of plain HTTP in absolute form; and answers in words."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from http import HTTPStatus

from oc.egress import limits
from oc.egress.names import authority
from oc.egress.refusal import Reason, RefusedError
from oc.egress.route import Dialled
from oc.egress.streams import Reader

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
REQUEST_LINE = re.compile(rb"([!-~]+) ([!-~]{1,1024}) HTTP/1\.[01]\r?\n")
ABSOLUTE = re.compile(rb"([!-~]+) http://([!-.0-~]{1,1024})(/[!-~]*)? (HTTP/1\.[01])\r?\n", re.IGNORECASE)
OF_THE_CONNECTION = re.compile(rb"(?i)^(proxy-)?connection:.*\n", re.MULTILINE)
HTTP_PORT = 80
EXTRA = {405: "Allow: CONNECT\r\n", 407: 'Proxy-Authenticate: Basic realm="sandboxes only"\r\n'}
LEFTOVER = 1024 * 1024


class NotConnectError(Exception):
    """Neither CONNECT (contract 2.11) nor a request in absolute form, as apt sends where `http_proxy` is set."""


@dataclass(frozen=True)
class Asked:
    dialled: Dialled
    established: bool  # the client waits for word that it may speak


async def read(reader: Reader) -> Asked:
    """Takes a CONNECT off the stream; another request stays there, as its server is to have it.

    Raises NotConnectError, RefusedError, EOFError, TimeoutError.
    """
    async with asyncio.timeout(limits.HEAD_SECONDS):
        while (end := re.search(rb"\n\r?\n", reader.ahead)) is None:
            if len(reader.ahead) > limits.HEAD:
                raise RefusedError(Reason.MALFORMED, "", "the head of the request is too long")
            if not await reader.look_further():
                raise EOFError
    head, reader.ahead = reader.ahead[: end.end()], reader.ahead[end.end() :]
    if (line := ABSOLUTE.match(head)) is not None and line[1].upper() != b"CONNECT":
        reader.ahead = once(line, head) + reader.ahead
        return Asked(dialled(line[2], HTTP_PORT), False)
    return Asked(target(head), True)


def once(line: re.Match[bytes], head: bytes) -> bytes:
    """In origin form, and the last of its connection: the next request may be for another host (RFC 9112, 3.2.2)."""
    rest = OF_THE_CONNECTION.sub(b"", head[line.end() :])
    return b"%b %b %b\r\nConnection: close\r\n" % (line[1], line[3] or b"/", line[4]) + rest


def target(head: bytes) -> Dialled:
    line = REQUEST_LINE.match(head)
    if line is None:
        raise RefusedError(Reason.MALFORMED, "", "the request line cannot be read")
    if line[1] != b"CONNECT":
        raise NotConnectError
    return dialled(line[2], None)


def dialled(text: bytes, default: int | None) -> Dialled:
    """Raises RefusedError."""
    try:
        host, port = authority(text.decode("ascii"))
    except ValueError as error:
        raise RefusedError(Reason.MALFORMED, "", "a proxy is asked for a host name and a port") from error
    if port is None and default is None:
        raise RefusedError(Reason.MALFORMED, str(host), "CONNECT takes a host name and a port")
    return Dialled(host, port or default or 0)


async def answer(reader: Reader, writer: asyncio.StreamWriter, status: int, text: str) -> None:
    """And the end. What the client still sends is taken: a reset because of it would take away the answer."""
    phrase, body = HTTPStatus(status).phrase, f"{text}\n".encode()
    head = f"HTTP/1.1 {status} {phrase}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{head}{EXTRA.get(status, '')}Connection: close\r\n\r\n".encode() + body)
    writer.write_eof()
    async with asyncio.timeout(limits.LINGER):
        taken = 0
        while taken < LEFTOVER and (piece := await reader.read()):
            taken += len(piece)
