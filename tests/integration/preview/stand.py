"""The way of a preview's bytes, whole: our server, the worker's tunnels, a real agent, and a server inside."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import uvicorn
import uvloop
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from oc.model.errors import OpenComputerError
from oc.runtime.driver import Endpoint
from oc.server.activity import Activity
from oc.server.preview.dispatch import Dispatch
from oc.server.preview.meter import Meter
from oc.server.preview.protocol import protocol
from oc.server.preview.proxy import Previews
from oc.server.preview_door import Destination
from oc.worker import tunnels
from tests.integration.dataplane.stand import DEADLINE_S, ID, OneSandbox, QuietServer

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class OpenDoor:
    """Knows one sandbox by its host names; may be told to refuse."""

    refusal: OpenComputerError | None = None
    spent: frozenset[bytes] = frozenset()
    admitted: int = 0

    async def destination(self, host: str) -> Destination | None:
        name = host.partition(":")[0].lower()
        label, _, parent = name.partition(".")
        if not label.startswith(f"{ID}-p") or not parent:
            return None
        return Destination(ID, int(label.rpartition("-p")[2]), name)

    async def admit(self, destination: Destination, headers: object) -> frozenset[bytes]:
        self.admitted += 1
        if self.refusal is not None:
            raise self.refusal
        return self.spent


class Inside:
    """A server in the sandbox: each connection is given to `handler`. Counts them."""

    def __init__(self, handler: Handler, port: int = 0) -> None:
        self.port = port
        self.connections = 0
        self.open: set[asyncio.StreamWriter] = set()
        self._handler = handler
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Inside:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in list(self.open):
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open.add(writer)
        try:
            await self._handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            writer.transport.abort()  # the other side has gone: what tests of that look at is `open`
        finally:
            self.open.discard(writer)
            self._tasks.discard(task)
            writer.close()


@dataclass
class Stand:
    port: int  # of our server
    door: OpenDoor
    links: OneSandbox
    activity: Activity
    registry: CollectorRegistry
    tunnels: Path
    server: uvicorn.Server
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def host(self, inside: Inside | int) -> str:
        port = inside if isinstance(inside, int) else inside.port
        return f"{ID}-p{port}.localhost:{self.port}"

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers.append(writer)
        return reader, writer

    async def raw(self, request: bytes) -> bytes:
        """Everything that is answered until the server closes."""
        reader, writer = await self.connect()
        writer.write(request)
        try:
            return await reader.read()
        finally:
            writer.close()

    async def get(self, inside: Inside | int, path: str = "/", *lines: str) -> tuple[int, dict[str, str], bytes]:
        """Status, fields and body of one request on a connection of its own."""
        head = "".join(f"{line}\r\n" for line in (f"GET {path} HTTP/1.1", f"Host: {self.host(inside)}", *lines))
        return parsed(await self.raw(f"{head}Connection: close\r\n\r\n".encode()))

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


def stop_reading(writer: asyncio.StreamWriter) -> None:
    cast("asyncio.Transport", writer.transport).pause_reading()  # uvloop's is one in all but name


async def broken_off(reading: Awaitable[bytes]) -> bool:
    """It ends with nothing. A socket that had nothing unread may be closed without a reset."""
    try:
        return await reading == b""
    except ConnectionResetError:
        return True


def parsed(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    if fields.get("transfer-encoding") == "chunked":
        body = unchunked(body)
    return int(status.split(" ")[1]), fields, body


def unchunked(body: bytes) -> bytes:
    data = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        data, body = data + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return data


async def _own_websocket(client: WebSocket) -> None:
    await client.accept()
    await client.send_text(f"dashboard heard {await client.receive_text()}")
    await client.close()


def _own() -> Starlette:
    async def hello(_: object) -> PlainTextResponse:
        return PlainTextResponse("the dashboard")

    return Starlette(routes=[Route("/", hello), WebSocketRoute("/ws", _own_websocket)])


@asynccontextmanager
async def stand(endpoint: Endpoint) -> AsyncIterator[Stand]:
    links, door, activity, registry = OneSandbox(endpoint), OpenDoor(), Activity(), CollectorRegistry()
    with (
        tempfile.TemporaryDirectory(prefix="oc-") as directory,
        socket.socket(socket.AF_UNIX) as for_tunnels,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        path = Path(directory) / "tunnels.sock"
        for_tunnels.bind(str(path))
        dispatch = Dispatch(_own(), Previews(path, door, activity, Meter(registry)))
        config = uvicorn.Config(
            dispatch,
            http=protocol(dispatch),
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        server = QuietServer(config)
        async with tunnels.serving(for_tunnels, links):
            serving = asyncio.ensure_future(server.serve(sockets=[listener]))
            made = Stand(listener.getsockname()[1], door, links, activity, registry, path, server)
            try:
                yield made
            finally:
                made.close()
                server.should_exit = True
                await serving
                dispatch.previews.close()
        await links.close()


def on_stand(endpoint: Endpoint, work: Callable[[Stand], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(2 * DEADLINE_S), stand(endpoint) as made:
            await work(made)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as the server and the worker run
        runner.run(whole())


async def request_head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def answering(answer: bytes) -> Handler:
    """Each request without a body gets this, on one connection."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            await request_head(reader)
            writer.write(answer)
            await writer.drain()

    return handle
