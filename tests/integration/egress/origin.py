"""A web server that is played by a test: it keeps what it is told and says what it is asked to say."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Script = Callable[[Reader, Writer], Awaitable[None]]


@dataclass
class Request:
    line: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: str) -> bytes | None:
        return next((value for key, value in self.headers if key.lower() == name.lower().encode()), None)


async def read_request(reader: Reader) -> Request:
    """Raises IncompleteReadError at the end of the connection."""
    line, headers = await read_head(reader)
    request = Request(line, headers, b"")
    if (request.header("transfer-encoding") or b"").lower() == b"chunked":
        request.body = await read_chunks(reader)
    else:
        request.body = await reader.readexactly(int(request.header("content-length") or 0))
    return request


async def read_head(reader: Reader) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    head = (await reader.readuntil(b"\r\n\r\n")).removesuffix(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    return line, [(name, value.strip()) for name, _, value in (text.partition(b":") for text in lines)]


async def read_chunks(reader: Reader) -> bytes:
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    while (await reader.readline()) != b"\r\n":
        pass
    return body


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def echo(request: Request) -> bytes:
    """All that came, as the body; and one header back."""
    lines = [request.line, *(name + b": " + value for name, value in request.headers)]
    return answer(b"\n".join(lines) + b"\n\n" + request.body)


@dataclass
class Web:
    """Answers every request by `respond`; `requests` is what came."""

    respond: Callable[[Request], bytes] = echo
    requests: list[Request] = field(default_factory=list)

    async def __call__(self, reader: Reader, writer: Writer) -> None:
        while True:
            request = await read_request(reader)
            self.requests.append(request)
            writer.write(self.respond(request))
            await writer.drain()


@asynccontextmanager
async def serving(
    script: Script, host: str, context: ssl.SSLContext | None = None, make: Callable[[], socket.socket] = socket.socket
) -> AsyncIterator[int]:
    """The port of a server that runs the script for each connection. Its connections end with it."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        try:
            await script(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client is gone, or the test is over
        finally:
            writer.transport.abort()
            tasks.discard(task)

    listener = make()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, 0))
    server = await asyncio.start_server(serve, sock=listener, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tuple(tasks), return_exceptions=True)
