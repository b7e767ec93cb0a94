"""Requests to previews: what arrives inside, what comes back, and when."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable

import pytest

from oc.model.errors import Gone, NotFound, OpenComputerError, Unauthorized, Unavailable
from oc.runtime.driver import Endpoint
from oc.server.preview import client, tunnel
from tests.integration.dataplane.stand import ID, eventually
from tests.integration.preview.stand import (
    Inside,
    Stand,
    answering,
    on_stand,
    parsed,
    request_head,
    stop_reading,
    unchunked,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Recorder:
    """Answers each request with `answer`; keeps their heads."""

    def __init__(self, answer: bytes = OK) -> None:
        self.heads: list[bytes] = []
        self._answer = answer

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            self.heads.append(await request_head(reader))
            writer.write(self._answer)
            await writer.drain()

    def fields(self) -> list[str]:
        return self.heads[-1].decode("latin-1").split("\r\n")[1:-2]


def test_request_arrives_without_what_is_of_one_hop_or_ours(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        seen = Recorder()
        stand.door.spent = frozenset((b"x-oc-preview-token", b"authorization"))
        async with Inside(seen) as inside:
            status, _, body = await stand.get(
                inside,
                "/a%2fb?q=%20&x",
                "Connection: keep-alive, X-Mine",
                "X-Mine: 1",
                "X-Kept: 2",
                "Keep-Alive: timeout=5",
                "TE: trailers",
                "Cookie: a=1; oc_session=secret; __Host-oc_session=secret; b=2",
                "X-OC-Preview-Token: secret",
                "Authorization: Bearer secret",
                "Forwarded: for=1.2.3.4",
                "X-Forwarded-For: 1.2.3.4",
                "X-Forwarded-Proto: https",
            )
            assert (status, body) == (200, b"ok")
            assert seen.heads[-1].startswith(b"GET /a%2fb?q=%20&x HTTP/1.1\r\n")
            assert seen.fields() == [
                f"host: {stand.host(inside)}",
                "x-kept: 2",
                "cookie: a=1; b=2",
                "x-forwarded-for: 1.2.3.4, 127.0.0.1",  # a peer on this host is a proxy that is believed
                "x-forwarded-proto: https",
                f"x-forwarded-host: {stand.host(inside)}",
                "forwarded: for=1.2.3.4",
            ]

    on_stand(agent, work)


def test_answer_loses_what_is_of_one_hop_and_the_domains_of_cookies(agent: Endpoint) -> None:
    answer = (
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        b"HTTP/1.1 201 Made\r\nConnection: x-mine\r\nX-Mine: 1\r\nX-Kept: 2\r\nServer: theirs\r\n"
        b"Set-Cookie: a=b; Domain=localhost; Path=/\r\nTransfer-Encoding: chunked\r\nTrailer: x-late\r\n\r\n"
        b"2;ext=1\r\nok\r\n0\r\nX-Late: 1\r\n\r\n"
    )

    async def work(stand: Stand) -> None:
        async with Inside(answering(answer)) as inside:
            status, fields, body = await stand.get(inside)
            assert (status, body) == (201, b"ok")
            assert fields.keys() == {"date", "x-kept", "server", "set-cookie", "transfer-encoding", "connection"}
            assert (fields["server"], fields["set-cookie"]) == ("theirs", "a=b; Path=/")

    on_stand(agent, work)


@pytest.mark.parametrize(
    ("method", "answer", "expected"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", (200, "1234")),
        ("HEAD", CHUNKED, (200, None)),
        ("GET", b"HTTP/1.1 204 No\r\nX: 1\r\n\r\n", (204, None)),
        ("GET", b"HTTP/1.1 304 Not\r\nContent-Length: 1234\r\n\r\n", (304, None)),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", (200, "0")),
    ],
)
def test_answers_without_bodies(agent: Endpoint, method: str, answer: bytes, expected: tuple[int, str | None]) -> None:
    """Each is followed by another on the same connections, so that nothing is left over."""

    async def work(stand: Stand) -> None:
        async with Inside(answering(answer)) as inside:
            ask = f"{method} / HTTP/1.1\r\nHost: {stand.host(inside)}\r\n".encode()
            reader, writer = await stand.connect()
            for _ in range(2):
                writer.write(ask + b"\r\n")
                status, fields, _ = parsed(await request_head(reader))
                assert (status, fields.get("content-length")) == expected
            assert inside.connections == 1
            assert (await stand.raw(ask + b"Connection: close\r\n\r\n")).endswith(b"\r\n\r\n")

    on_stand(agent, work)


def test_events_come_one_by_one(agent: Endpoint) -> None:
    """The next is not written before the last has arrived."""
    arrived: asyncio.Queue[None] = asyncio.Queue()

    async def events(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(CHUNKED.replace(b"200 OK\r\n", b"200 OK\r\nContent-Type: text/event-stream\r\n"))
        for number in range(3):
            writer.write(chunk(b"data: %d\n\n" % number))
            await arrived.get()
        writer.write(b"0\r\n\r\n")

    async def work(stand: Stand) -> None:
        async with Inside(events) as inside:
            reader, writer = await stand.connect()
            writer.write(f"GET / HTTP/1.1\r\nHost: {stand.host(inside)}\r\n\r\n".encode())
            await request_head(reader)
            for number in range(3):
                await reader.readuntil(b"data: %d\n\n\r\n" % number)
                arrived.put_nowait(None)
            await reader.readuntil(b"0\r\n\r\n")

    on_stand(agent, work)


@pytest.mark.parametrize("chunked", [False, True])
def test_body_goes_in_as_it_comes_and_the_answer_may_come_first(agent: Endpoint, chunked: bool) -> None:
    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        await reader.readuntil(b"first")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nea")
        await reader.readuntil(b"last")
        writer.write(b"rly!")

    async def work(stand: Stand) -> None:
        async with Inside(early) as inside:
            reader, writer = await stand.connect()
            length = "Transfer-Encoding: chunked" if chunked else "Content-Length: 9"
            writer.write(f"POST / HTTP/1.1\r\nHost: {stand.host(inside)}\r\n{length}\r\n\r\n".encode())
            writer.write(chunk(b"first") if chunked else b"first")
            await request_head(reader)
            assert await reader.readexactly(2) == b"ea"
            writer.write(chunk(b"last") + b"0\r\n\r\n" if chunked else b"last")
            assert await reader.readexactly(4) == b"rly!"

    on_stand(agent, work)


def test_bulk_arrives_whole_both_ways(agent: Endpoint) -> None:
    block, count = bytes(range(256)) * 256, 256  # 16 MB
    digests: list[str] = []

    async def mirror(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        digest = hashlib.sha256()
        for _ in range(count):
            digest.update(await reader.readexactly(len(block)))
        digests.append(digest.hexdigest())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (count * len(block)))
        for _ in range(count):
            writer.write(block)
            await writer.drain()

    async def work(stand: Stand) -> None:
        async with Inside(mirror) as inside:
            reader, writer = await stand.connect()
            size = count * len(block)
            writer.write(f"PUT / HTTP/1.1\r\nHost: {stand.host(inside)}\r\nContent-Length: {size}\r\n\r\n".encode())
            for _ in range(count):
                writer.write(block)
                await writer.drain()
            await request_head(reader)
            digest = hashlib.sha256(await reader.readexactly(size))
            assert digests == [digest.hexdigest()] == [hashlib.sha256(block * count).hexdigest()]

    on_stand(agent, work)


def test_client_that_does_not_read_holds_the_server_inside(agent: Endpoint) -> None:
    written = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await request_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            writer.write(bytes(1 << 16))
            await writer.drain()
            written += 1 << 16

    async def work(stand: Stand) -> None:
        async with Inside(flood) as inside:
            reader, writer = await stand.connect()
            stop_reading(writer)
            writer.write(f"GET / HTTP/1.1\r\nHost: {stand.host(inside)}\r\n\r\n".encode())

            async def stuck() -> bool:
                before = written
                await asyncio.sleep(0.3)
                return written == before > 0

            await eventually(stuck)
            assert written < 64 << 20  # sockets' buffers of four hops, and what each may hold
            writer.transport.abort()

            async def closed() -> bool:
                return not inside.open

            await eventually(closed)
        assert reader

    on_stand(agent, work)


BROKEN: dict[str, bytes] = {
    "chunked": CHUNKED + b"5\r\nhello\r\n",
    "counted": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_answer_cut_short_inside_is_cut_short_outside(agent: Endpoint, kind: str) -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(BROKEN[kind])
        await writer.drain()

    async def work(stand: Stand) -> None:
        async with Inside(half) as inside:
            answer = await stand.raw(f"GET / HTTP/1.1\r\nHost: {stand.host(inside)}\r\n\r\n".encode())
            assert b"hello" in answer
            assert not answer.endswith(b"0\r\n\r\n")

    on_stand(agent, work)


async def _until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An answer without a length: it ends with its connection."""
    await request_head(reader)
    writer.write(b"HTTP/1.0 200 OK\r\n\r\nhello")
    await reader.read()


def test_end_of_the_connection_is_the_end_of_an_answer_without_length(agent: Endpoint) -> None:
    async def short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nhello")

    async def work(stand: Stand) -> None:
        async with Inside(short) as inside:
            answer = await stand.raw(f"GET / HTTP/1.1\r\nHost: {stand.host(inside)}\r\n\r\n".encode()[:-2] + CLOSE)
            assert answer.endswith(b"0\r\n\r\n")
            assert parsed(answer)[2] == b"hello"

    on_stand(agent, work)


CLOSE = b"Connection: close\r\n\r\n"


def test_loss_of_the_sandbox_is_no_end_of_an_answer_without_length(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        async with Inside(_until_closed) as inside:
            reader, writer = await stand.connect()
            writer.write(f"GET / HTTP/1.1\r\nHost: {stand.host(inside)}\r\n\r\n".encode())
            await reader.readuntil(b"hello\r\n")
            await stand.links.close()
            assert await reader.read() == b""  # and not the last chunk

    on_stand(agent, work)


def test_client_that_leaves_takes_its_request_with_it(agent: Endpoint) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def work(stand: Stand) -> None:
        async with Inside(silent) as inside:
            for body in ("", "Content-Length: 10\r\n"):
                _, writer = await stand.connect()
                writer.write(f"POST / HTTP/1.1\r\nHost: {stand.host(inside)}\r\n{body}\r\n".encode())

                async def came() -> bool:
                    return len(inside.open) == 1

                async def left() -> bool:
                    return not inside.open

                await eventually(came)
                writer.transport.abort()
                await eventually(left)

    on_stand(agent, work)


def test_connections_are_used_again_and_an_old_one_that_ends_is_no_error(agent: Endpoint) -> None:
    """The second connection is closed by the server inside just as its second request arrives."""
    heads: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            heads.append(await request_head(reader))
            writer.write(OK)
        await request_head(reader)

    async def work(stand: Stand) -> None:
        async with Inside(handle) as inside:
            assert [(await stand.get(inside))[0] for _ in range(3)] == [200, 200, 200]
            assert inside.connections == 2
            assert len(heads) == 3

    on_stand(agent, work)


def test_request_that_must_not_be_repeated_is_sent_once(agent: Endpoint) -> None:
    posts = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal posts
        while (head := await request_head(reader)).startswith(b"GET"):
            writer.write(OK)
        posts += head.startswith(b"POST")

    async def work(stand: Stand) -> None:
        async with Inside(handle) as inside:
            assert (await stand.get(inside))[0] == 200
            post = f"POST / HTTP/1.1\r\nHost: {stand.host(inside)}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            assert parsed(await stand.raw(post.encode()))[0] == 502
            assert posts == 1

    on_stand(agent, work)


def test_request_waits_for_a_server_that_is_starting(agent: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "PAUSES_S", (0.05,) * 600)

    async def work(stand: Stand) -> None:
        async with Inside(answering(OK)) as inside:
            port = inside.port
        asking = asyncio.ensure_future(stand.get(port))

        async def tried() -> bool:
            return stand.door.admitted == 1

        await eventually(tried)
        async with Inside(answering(OK), port):
            assert (await asking)[0] == 200

    on_stand(agent, work)


def test_nothing_listens(agent: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "PAUSES_S", (0.01,))

    async def work(stand: Stand) -> None:
        async with Inside(answering(OK)) as inside:
            port = inside.port
        status, fields, body = await stand.get(port)
        assert (status, fields["content-type"]) == (502, "application/json")
        assert f'"error":"sandbox {ID}: upstream unavailable"'.encode() in body
        status, fields, body = await stand.get(port, "/", "Accept: text/html,*/*")
        assert (status, fields["content-type"]) == (503, "text/html; charset=utf-8")
        assert b'http-equiv="refresh" content="3"' in body

    on_stand(agent, work)


def test_no_answer_in_time(agent: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "HEAD_S", 0.01)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def work(stand: Stand) -> None:
        async with Inside(silent) as inside:
            assert (await stand.get(inside))[0] == 504

            async def closed() -> bool:
                return not inside.open

            await eventually(closed)

    on_stand(agent, work)


@pytest.mark.parametrize(
    ("error", "status", "field"),
    [
        (NotFound("sandbox <b>not</b> found"), 404, None),
        (Gone("stopped"), 410, None),
        (Unauthorized("preview URL requires authentication"), 401, ("www-authenticate", 'Bearer realm="preview"')),
        (Unavailable("not now"), 503, ("retry-after", "2")),
    ],
)
def test_refusals_of_the_door(
    agent: Endpoint, error: OpenComputerError, status: int, field: tuple[str, str] | None
) -> None:
    async def work(stand: Stand) -> None:
        stand.door.refusal = error
        async with Inside(answering(OK)) as inside:
            plain = await stand.get(inside)
            page = await stand.get(inside, "/<script>", "Accept: text/html")
            assert inside.connections == 0
        assert (plain[0], page[0]) == (status, status)
        assert f'"code":"{error.code}"'.encode() in plain[2]
        assert b"<script" not in page[2]
        assert b"<b>" not in page[2]
        for fields in (plain[1], page[1]):
            assert "default-src 'none'" in fields["content-security-policy"]
            assert fields["x-content-type-options"] == "nosniff"
            assert field is None or fields[field[0]] == field[1]

    on_stand(agent, work)


def test_other_hosts_are_the_servers_own(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        for host in ("localhost", "example.com", f"{ID}-p3000"):
            answer = await stand.raw(f"GET / HTTP/1.1\r\nHost: {host}\r\n".encode() + CLOSE)
            assert parsed(answer)[2] == b"the dashboard"
        assert stand.door.admitted == 0

    on_stand(agent, work)


def test_traffic_is_counted_and_keeps_the_sandbox_awake(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        async with Inside(answering(OK)) as inside:
            await stand.get(inside)
            assert stand.activity.unwritten().keys() == {ID}
        value: Callable[..., float | None] = stand.registry.get_sample_value
        assert value("opencomputer_preview_requests_total", {"status": "2xx"}) == 1
        assert value("opencomputer_preview_bytes_total", {"to": "client"}) == 2

    on_stand(agent, work)


def test_chunks_are_told_apart() -> None:
    assert unchunked(chunk(b"ab") + chunk(b"c") + b"0\r\n\r\n") == b"abc"
