"""WebSockets of previews: two ends that speak to each other, as if nobody stood between them (contract 3.5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from oc.model.errors import Unauthorized
from oc.runtime.driver import Endpoint
from oc.server.preview import splice
from tests.integration.dataplane.stand import DEADLINE_S, ID, eventually
from tests.integration.preview.stand import Inside, Stand, broken_off, on_stand, parsed, request_head, stop_reading

LARGE = 4 << 20
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        if message == "close":
            await connection.close(4321, "as asked")
        else:
            await connection.send(message)


@asynccontextmanager
async def websockets_inside() -> AsyncIterator[int]:
    spoken = [Subprotocol("vite-hmr")]
    async with serve(echo, "127.0.0.1", 0, subprotocols=spoken, max_size=2 * LARGE, ping_interval=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


def client(stand: Stand, port: int) -> connect:
    return connect(
        f"ws://{stand.host(port)}/socket?token=x",
        host="127.0.0.1",
        port=stand.port,
        subprotocols=[Subprotocol("vite-hmr")],
        max_size=2 * LARGE,
        open_timeout=DEADLINE_S,
        ping_interval=None,
        proxy=None,
    )


def handshake(host: str) -> bytes:
    return (
        f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


def gauge(stand: Stand) -> float | None:
    return stand.registry.get_sample_value("opencomputer_preview_websockets")


def test_both_ends_speak_with_each_other(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        async with websockets_inside() as port, client(stand, port) as websocket:
            assert websocket.subprotocol == "vite-hmr"
            assert [extension.name for extension in websocket.protocol.extensions] == ["permessage-deflate"]
            await websocket.send("text")
            await websocket.send(bytes(range(256)) * (LARGE // 256))
            assert await websocket.recv() == "text"
            assert await websocket.recv() == bytes(range(256)) * (LARGE // 256)
            await (await websocket.ping())
            assert gauge(stand) == 1
            await websocket.send("close")
            with pytest.raises(ConnectionClosed):
                await websocket.recv()
            assert (websocket.close_code, websocket.close_reason) == (4321, "as asked")

            async def over() -> bool:
                return gauge(stand) == 0

            await eventually(over)

    on_stand(agent, work)


def test_traffic_keeps_the_sandbox_awake(agent: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splice, "TOUCH_EVERY_S", 0)

    async def work(stand: Stand) -> None:
        async with websockets_inside() as port, client(stand, port) as websocket:
            stand.activity.unwritten()
            await websocket.send("hello")
            await websocket.recv()
            assert stand.activity.unwritten().keys() == {ID}

    on_stand(agent, work)


def test_handshake_is_passed_on_and_what_comes_with_its_answer(agent: Endpoint) -> None:
    heads: list[bytes] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await request_head(reader))
        writer.write(SWITCH.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Accept: x\r\n\r\n") + b"hello")
        assert await reader.readexactly(3) == b"hey"
        writer.write(b"bye")

    async def work(stand: Stand) -> None:
        async with Inside(greet) as inside:
            reader, writer = await stand.connect()
            writer.write(handshake(stand.host(inside)))
            head = await request_head(reader)
            assert head.startswith(b"HTTP/1.1 101 ")
            assert head.count(b"upgrade: websocket\r\n") == head.count(b"Sec-WebSocket-Accept: x\r\n".lower()) == 1
            assert await reader.readexactly(5) == b"hello"
            writer.write(b"hey")
            assert await reader.readexactly(3) == b"bye"
            for line in (b"connection: Upgrade", b"upgrade: websocket", b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="):
                assert heads[0].count(line + b"\r\n") == 1

    on_stand(agent, work)


def test_each_side_may_end_by_itself(agent: Endpoint) -> None:
    """The server inside hears the client's end and still answers; the client hears the end after the last byte."""

    async def last_word(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(SWITCH)
        said = await reader.read()
        writer.write(said.upper())

    async def work(stand: Stand) -> None:
        async with Inside(last_word) as inside:
            reader, writer = await stand.connect()
            writer.write(handshake(stand.host(inside)))
            await request_head(reader)
            writer.write(b"some words")
            writer.write_eof()
            assert await reader.read() == b"SOME WORDS"

    on_stand(agent, work)


def test_side_that_is_lost_takes_the_other_with_it(agent: Endpoint) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(SWITCH)
        await reader.read()
        await asyncio.get_running_loop().create_future()

    async def work(stand: Stand) -> None:
        async with Inside(silent) as inside:
            ends = []
            for _ in range(2):
                reader, writer = await stand.connect()
                writer.write(handshake(stand.host(inside)))
                await request_head(reader)
                ends.append(reader)
            await stand.links.close()
            for reader in ends:
                assert await broken_off(reader.read())

            async def over() -> bool:
                return gauge(stand) == 0

            await eventually(over)

    on_stand(agent, work)


def test_slow_reader_holds_the_writer(agent: Endpoint) -> None:
    written = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await request_head(reader)
        writer.write(SWITCH)
        while True:
            writer.write(bytes(1 << 16))
            await writer.drain()
            written += 1 << 16

    async def work(stand: Stand) -> None:
        async with Inside(flood) as inside:
            reader, writer = await stand.connect()
            writer.write(handshake(stand.host(inside)))
            await request_head(reader)
            stop_reading(writer)

            async def stuck() -> bool:
                before = written
                await asyncio.sleep(0.3)
                return written == before > 0

            await eventually(stuck)
            assert written < 64 << 20
            writer.transport.abort()

            async def over() -> bool:
                return gauge(stand) == 0 and not inside.open

            await eventually(over)

    on_stand(agent, work)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 403 No\r\nContent-Length: 4\r\nX-Why: so\r\n\r\nsure",
        b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\nX-Why: so\r\n\r\n4\r\nsure\r\n0\r\n\r\n",
    ],
)
def test_refusal_from_inside_is_an_ordinary_answer(agent: Endpoint, answer: bytes) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(answer)
        await reader.read()

    async def work(stand: Stand) -> None:
        async with Inside(refuse) as inside:
            status, fields, body = parsed(await stand.raw(handshake(stand.host(inside))))
            assert (status, fields["x-why"], fields["connection"], body) == (403, "so", "close", b"sure")
            assert "transfer-encoding" not in fields

    on_stand(agent, work)


def test_door_is_asked_before_the_upgrade(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        stand.door.refusal = Unauthorized("preview URL requires authentication")
        async with websockets_inside() as port:
            with pytest.raises(InvalidStatus) as refused:
                async with client(stand, port):
                    pass
        response = refused.value.response
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="preview"'

    on_stand(agent, work)


def test_own_websockets_are_the_servers_own(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        async with connect(f"ws://localhost:{stand.port}/ws", open_timeout=DEADLINE_S, proxy=None) as websocket:
            await websocket.send("me")
            assert await websocket.recv() == "dashboard heard me"

    on_stand(agent, work)


def test_shutdown_closes_them(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        async with websockets_inside() as port:
            websocket: ClientConnection = await client(stand, port)
            stand.server.should_exit = True
            with pytest.raises(ConnectionClosed):
                await websocket.recv()

    on_stand(agent, work)
