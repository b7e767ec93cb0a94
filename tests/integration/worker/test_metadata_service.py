"""The metadata service over real TCP: who asks is who connects, and whoever it is takes little and not for long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from oc.model.errors import TooMany
from oc.worker import metadata
from oc.worker.metadata import CONNECTIONS, Call, Service
from oc.worker.metadata_http import MAX_BODY, MAX_HEAD

ADDRESSES = {"127.0.0.2": "sb-00000002", "127.0.0.3": "sb-00000003"}
GET = b"GET /v1/status HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n"


class Stand:
    def __init__(self, port: int) -> None:
        self.port = port

    async def open(self, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))

    async def ask(self, raw: bytes, address: str = "127.0.0.2") -> tuple[int, Any]:
        """Status and body; (0, None) when it is closed without a word."""
        reader, writer = await self.open(address)
        writer.write(raw)
        try:
            answer = await reader.read()
        except ConnectionResetError:
            answer = b""
        writer.close()
        if not answer:
            return 0, None
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)


async def status(id: str, address: str, body: bytes) -> tuple[int, Any]:
    return 200, {"sandboxId": id}


async def scale(id: str, address: str, body: bytes) -> tuple[int, Any]:
    if body == b"again":
        raise TooMany("not so often")
    if body == b"broken":
        raise RuntimeError("a fault of ours")
    return 200, {"body": body.decode()}


TABLE: dict[tuple[str, str], Call] = {("GET", "/v1/status"): status, ("POST", "/v1/scale"): scale}


@asynccontextmanager
async def stand() -> AsyncIterator[Stand]:
    service = Service(ADDRESSES.get, TABLE)
    try:
        yield Stand(await service.start("127.0.0.1", 0))
    finally:
        await service.stop()


def run(work: Callable[[Stand], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(60), stand() as made:
            await work(made)

    asyncio.run(whole())


def post(body: bytes, *headers: bytes) -> bytes:
    lines = [b"POST /v1/scale HTTP/1.1", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def test_who_asks_is_told_by_the_address_alone() -> None:
    async def work(made: Stand) -> None:
        for address, id in ADDRESSES.items():
            assert await made.ask(GET, address) == (200, {"sandboxId": id})
        lies = (
            b"GET http://sb-00000003/v1/status?sandboxId=sb-00000003 HTTP/1.1\r\nHost: sb-00000003\r\n"
            b"X-Forwarded-For: 127.0.0.3\r\nForwarded: for=127.0.0.3\r\nX-Real-IP: 127.0.0.3\r\n\r\n"
        )
        assert await made.ask(lies) == (200, {"sandboxId": "sb-00000002"})
        assert await made.ask(GET, "127.0.0.4") == (0, None)

    run(work)


def test_a_body_is_taken_and_errors_have_their_envelope() -> None:
    async def work(made: Stand) -> None:
        assert await made.ask(post(b'{"memoryMB": 512}')) == (200, {"body": '{"memoryMB": 512}'})
        assert await made.ask(post(b"again")) == (429, {"error": "not so often", "code": "limit_reached"})
        assert (await made.ask(post(b"broken")))[0] == 500
        assert await made.ask(GET) == (200, {"sandboxId": "sb-00000002"})

    run(work)


BAD: dict[str, tuple[bytes, int]] = {
    "another path": (b"GET /latest/meta-data HTTP/1.1\r\n\r\n", 404),
    "another method": (b"DELETE /v1/status HTTP/1.1\r\n\r\n", 405),
    "a method for something else": (b"GET /v1/scale HTTP/1.1\r\n\r\n", 405),
    "a path that is not one": (b"GET /v1/../v1/status HTTP/1.1\r\n\r\n", 404),
    "a tunnel": (b"CONNECT example.com:443 HTTP/1.1\r\n\r\n", 400),
    "another protocol": (b"SSH-2.0-x\r\n\r\n", 400),
    "a long head": (b"GET /v1/status HTTP/1.1\r\nA: " + b"a" * MAX_HEAD + b"\r\n\r\n", 413),
    "a long body": (post(b"x" * (MAX_BODY + 1)), 413),
    "a body of many lengths": (b"POST /v1/scale HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", 400),
    "a body of no length": (b"POST /v1/scale HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
    "a body in chunks": (b"POST /v1/scale HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "an upgrade": (b"GET /v1/status HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 400),
}


@pytest.mark.parametrize(("raw", "code"), BAD.values(), ids=BAD.keys())
def test_what_is_no_call_is_refused(raw: bytes, code: int) -> None:
    async def work(made: Stand) -> None:
        got, body = await made.ask(raw)
        assert got == code
        assert body["error"]

    run(work)


def test_who_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(made: Stand) -> None:
        for words in (b"", b"GET /v1/sta", post(b"abc")[:-1]):
            assert await made.ask(words) == (0, None)

    monkeypatch.setattr(metadata, "PATIENCE_S", 0.05)
    run(work)


def test_one_sandbox_cannot_keep_another_out() -> None:
    async def work(made: Stand) -> None:
        held = [await made.open("127.0.0.2") for _ in range(CONNECTIONS)]
        assert await made.ask(GET) == (0, None)
        assert await made.ask(GET, "127.0.0.3") == (200, {"sandboxId": "sb-00000003"})
        for reader, writer in held:
            writer.write(GET)
            assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
            writer.close()
        while (await made.ask(GET))[0] != 200:  # the service sees the last of them go
            pass

    run(work)
