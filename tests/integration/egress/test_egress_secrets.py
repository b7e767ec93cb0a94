"""Placeholders leave as values, only where they may; values come back as placeholders."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.integration.egress.origin import Request, Web, answer, echo, read_request, serving
from tests.integration.egress.proxy import ORIGIN, PLACEHOLDER, VALUE, Answer, Proxy, Sandbox, Stream

HOLDER, SECRET = PLACEHOLDER.encode(), VALUE.encode()
LARGE = 1024 * 1024 + 1


@asynccontextmanager
async def talk(
    proxy: Proxy, respond: Callable[[Request], bytes] = echo, sandbox: Sandbox | None = None
) -> AsyncIterator[tuple[Stream, Web]]:
    """An intercepted connection to api.test."""
    web = Web(respond)
    async with serving(web, ORIGIN, proxy.authority.server("api.test")) as port:
        stream = await (sandbox or proxy.holder()).https("api.test", port)
        try:
            yield stream, web
        finally:
            stream.close()


def request(*headers: bytes, line: bytes = b"POST / HTTP/1.1") -> bytes:
    return b"\n".join([line, b"Host: api.test", *headers])


def exchange(
    proxy: Proxy, head: bytes, body: bytes = b"", respond: Callable[[Request], bytes] = echo
) -> tuple[Answer, Request]:
    """One request: what the sandbox got, and what the server got."""

    async def work() -> tuple[Answer, Request]:
        async with talk(proxy, respond) as (stream, web):
            return await stream.ask(head, body), web.requests[0]

    return asyncio.run(work())


def test_headers_and_body_are_swapped_and_the_echo_is_redacted(proxy: Proxy) -> None:
    body = b"token=" + HOLDER
    head = request(b"Authorization: Bearer " + HOLDER, b"Content-Length: %d" % len(body))
    got, seen = exchange(proxy, head, body)
    assert seen.header("authorization") == b"Bearer " + SECRET
    assert seen.body == b"token=" + SECRET
    assert seen.header("content-length") == b"%d" % len(seen.body)
    assert SECRET not in got.body
    assert got.body.count(HOLDER) == 2


def test_basic_credentials_and_their_echo(proxy: Proxy) -> None:
    head = request(b"Authorization: Basic " + base64.b64encode(b"me:" + HOLDER), line=b"GET / HTTP/1.1")
    got, seen = exchange(proxy, head)
    assert seen.header("authorization") == b"Basic " + base64.b64encode(b"me:" + SECRET)
    assert base64.b64encode(b"me:" + SECRET) not in got.body
    assert HOLDER in got.body


def test_a_form_and_json_stay_what_they_are(proxy: Proxy) -> None:
    body = json.dumps({"key": PLACEHOLDER}).encode()
    head = request(b"Content-Type: application/json", b"Content-Length: %d" % len(body))
    assert json.loads(exchange(proxy, head, body)[1].body) == {"key": VALUE}


def test_url_and_query_are_not_swapped(proxy: Proxy) -> None:
    _, seen = exchange(proxy, request(line=b"GET /" + HOLDER + b"?k=" + HOLDER + b" HTTP/1.1"))
    assert seen.line == b"GET /" + HOLDER + b"?k=" + HOLDER + b" HTTP/1.1"


@pytest.mark.parametrize("size", [100, LARGE])
def test_a_chunked_body_is_swapped_across_its_chunks(proxy: Proxy, size: int) -> None:
    filler = b"x" * size
    chunks = [filler, HOLDER[:1], HOLDER[1:20], HOLDER[20:], filler + HOLDER[:5]]
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    _, seen = exchange(proxy, request(b"Transfer-Encoding: chunked"), body)
    assert seen.body == filler + SECRET + filler + HOLDER[:5]


def test_a_large_form_is_swapped_and_a_large_archive_keeps_its_length(proxy: Proxy) -> None:
    body = b"x" * LARGE + HOLDER
    length = b"Content-Length: %d" % len(body)
    _, form = exchange(proxy, request(b"Content-Type: multipart/form-data; boundary=x", length), body)
    assert form.body == b"x" * LARGE + SECRET
    _, archive = exchange(proxy, request(b"Content-Type: application/zip", length), body)
    assert archive.header("content-length") == b"%d" % len(body)
    assert archive.body == body


def test_another_host_sees_the_placeholder_only(proxy: Proxy) -> None:
    async def work() -> None:
        sandbox = proxy.holder(hosts=("deep.api.test", "*.elsewhere.test"))
        async with talk(proxy, sandbox=sandbox) as (stream, web):
            await stream.ask(request(b"X: " + HOLDER, line=b"GET / HTTP/1.1"))
            assert web.requests[0].header("x") == HOLDER

    asyncio.run(work())


def test_plain_http_sees_the_placeholder_only_and_brings_no_value_back(proxy: Proxy) -> None:
    async def work() -> None:
        web = Web(lambda request: answer(SECRET))
        async with serving(web, ORIGIN) as port:
            stream = await proxy.holder().tunnel(f"api.test:{port}")
            got = await stream.ask(request(b"X: " + HOLDER, line=b"GET / HTTP/1.1"))
            stream.close()
            assert web.requests[0].header("x") == HOLDER
            assert got.body == HOLDER

    asyncio.run(work())


def test_a_server_with_a_wrong_certificate_gets_nothing(proxy: Proxy) -> None:
    async def work() -> None:
        web = Web()
        async with serving(web, ORIGIN, proxy.authority.server("other.test")) as port:
            stream = await proxy.holder().https("api.test", port)
            got = await stream.ask(request(b"X: " + HOLDER, line=b"GET / HTTP/1.1"))
            stream.close()
            assert got.status == 502
            assert b"ertificate" in got.body
            assert web.requests == []

    asyncio.run(work())


@pytest.mark.parametrize(
    "headers",
    [[b"X-Echo: <" + SECRET + b">"], [b"Location: https://x.test/?k=plain%2Btext%2Fof%3Dthe%20secret"]],
)
def test_headers_of_answers_are_redacted(proxy: Proxy, headers: list[bytes]) -> None:
    got, _ = exchange(proxy, request(line=b"GET / HTTP/1.1"), respond=lambda _: answer(b"", *headers))
    assert any(HOLDER in value for _, value in got.headers)
    assert not any(b"secret" in value for _, value in got.headers)


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"gzip, gzip"])
def test_a_compressed_answer_is_read_or_refused(proxy: Proxy, encoding: bytes) -> None:
    body = gzip.compress(b"[" + SECRET + b"]")
    head = request(b"Accept-Encoding: gzip, br", line=b"GET / HTTP/1.1")
    got, seen = exchange(proxy, head, respond=lambda _: answer(body, b"Content-Encoding: " + encoding))
    assert seen.header("accept-encoding") == b"identity"
    assert (got.status, got.body) == (200, b"[" + HOLDER + b"]") if encoding == b"gzip" else got.status == 502
    assert body not in got.body


def test_a_bomb_is_cut(proxy: Proxy) -> None:
    async def work() -> None:
        bomb = gzip.compress(b"\0" * 100_000_000)
        async with talk(proxy, lambda _: answer(bomb, b"Content-Encoding: gzip")) as (stream, _):
            with pytest.raises((OSError, EOFError, ValueError)):
                await stream.ask(request(line=b"GET / HTTP/1.1"))

    asyncio.run(work())


def test_a_value_is_not_read_back_in_parts(proxy: Proxy) -> None:
    """A server that stores what it got, and gives it out by ranges."""
    _, seen = exchange(proxy, request(b"Range: bytes=0-9", b"If-Range: x", line=b"GET / HTTP/1.1"))
    assert seen.header("range") is seen.header("if-range") is None


def test_a_change_of_protocol_that_nobody_asked_for_is_refused(proxy: Proxy) -> None:
    head = request(b"Connection: Upgrade", b"Upgrade: anything", line=b"GET / HTTP/1.1")
    switching = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: anything\r\n\r\n" + SECRET
    got, seen = exchange(proxy, head, respond=lambda _: switching)
    assert seen.header("upgrade") is None
    assert got.status == 502
    assert SECRET not in got.body


@pytest.mark.parametrize(
    "broken",
    [
        b"HTTP/1.1 200 OK\r\n" + SECRET + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + SECRET + b"\r\n\r\n",
        b"HTTP/1.1 " + SECRET + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + SECRET + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + SECRET,
    ],
)
def test_errors_do_not_quote_a_server(proxy: Proxy, broken: bytes) -> None:
    async def work() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            writer.write(broken)
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        async with serving(script, ORIGIN, proxy.authority.server("api.test")) as port:
            stream = await proxy.holder().https("api.test", port)
            got = await stream.ask(request(line=b"GET / HTTP/1.1"))
            stream.close()
            assert got.status == 502
            assert SECRET not in got.body
            assert b"secret" not in got.body

    asyncio.run(work())


def test_an_answer_streams_and_is_redacted_across_its_pieces(proxy: Proxy) -> None:
    """Server-sent events: what is certainly no value arrives before the server says more."""

    async def work() -> None:
        go = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in (b"data: one\n\ndata: " + SECRET[:7], SECRET[7:] + b"\n\n", b"the end: " + SECRET[:9]):
                writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                await writer.drain()
                await go.wait()
                go.clear()
            writer.write(b"0\r\n\r\n")

        async with serving(script, ORIGIN, proxy.authority.server("api.test")) as port, asyncio.timeout(60):
            stream = await proxy.holder().https("api.test", port)
            stream.writer.write(b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")
            await stream.reader.readuntil(b"\r\n\r\n")
            assert await chunk(stream) == b"data: one\n\ndata: "
            go.set()
            assert await chunk(stream) == HOLDER + b"\n\n"
            go.set()
            assert await chunk(stream) == b"the end: "
            go.set()
            assert await chunk(stream) == SECRET[:9]
            stream.close()

    asyncio.run(work())


async def chunk(stream: Stream) -> bytes:
    size = int(await stream.reader.readline(), 16)
    data = await stream.reader.readexactly(size)
    await stream.reader.readexactly(2)
    return data


@pytest.mark.parametrize("size", [10, LARGE])
def test_an_answer_of_known_length_is_right_afterwards(proxy: Proxy, size: int) -> None:
    body = b"x" * size + SECRET + b"y" * size
    got, _ = exchange(proxy, request(line=b"GET / HTTP/1.1"), respond=lambda _: answer(body))
    assert got.body == b"x" * size + HOLDER + b"y" * size


def test_old_clients_get_an_answer_that_ends_with_the_connection(proxy: Proxy) -> None:
    async def work() -> None:
        async with talk(proxy, lambda _: answer(b"x" * LARGE + SECRET)) as (stream, _):
            got = await stream.ask(request(line=b"GET / HTTP/1.0"))
            assert got.body == b"x" * LARGE + HOLDER

    asyncio.run(work())


def test_answers_without_a_body_keep_their_length(proxy: Proxy) -> None:
    async def work() -> None:
        def respond(request: Request) -> bytes:
            head = b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n"
            return head if request.line.startswith(b"HEAD") else b"HTTP/1.1 204 No Content\r\n\r\n"

        async with talk(proxy, respond) as (stream, _):
            got = await stream.ask(request(line=b"HEAD / HTTP/1.1"))
            assert got.header("content-length") == b"5000000"
            assert (await stream.ask(request(line=b"DELETE / HTTP/1.1"))).status == 204

    asyncio.run(work())


def test_informational_answers_and_trailers_do_not_confuse(proxy: Proxy) -> None:
    async def work() -> None:
        def respond(request: Request) -> bytes:
            early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"
            return early + head + b"2\r\nok\r\n0\r\nX: " + SECRET + b"\r\n\r\n"

        async with talk(proxy, respond) as (stream, _):
            for _ in range(2):
                assert (await stream.ask(request(line=b"GET / HTTP/1.1"))).body == b"ok"
            body = b"2\r\nok\r\n0\r\nX: y\r\n\r\n"
            assert (await stream.ask(request(b"Transfer-Encoding: chunked"), body)).body == b"ok"

    asyncio.run(work())


def test_a_new_value_is_sent_from_the_next_request_on(proxy: Proxy) -> None:
    async def work() -> None:
        sandbox = proxy.holder()
        async with talk(proxy, sandbox=sandbox) as (stream, web):
            head = request(b"X: " + HOLDER, line=b"GET / HTTP/1.1")
            await stream.ask(head)
            secret = sandbox.policy["secrets"][0]
            sandbox.write(secrets=[secret | {"value": "the second value"}])
            await stream.ask(head)
            assert [one.header("x") for one in web.requests] == [SECRET, b"the second value"]

    asyncio.run(work())


def test_without_secrets_tls_is_the_servers_own(proxy: Proxy) -> None:
    """Programs that pin certificates work: the handshake is end to end."""

    async def work() -> None:
        web = Web(lambda _: answer(SECRET))
        async with serving(web, ORIGIN, proxy.authority.server("api.test")) as port:
            stream = await proxy.sandbox().https("api.test", port, trust=proxy.authority.file)
            assert (await stream.ask(request(line=b"GET / HTTP/1.1"))).body == SECRET
            stream.close()

    asyncio.run(work())


def test_an_allowed_address_without_a_name_is_intercepted_too(proxy: Proxy) -> None:
    """Its certificate must be for the address; that of the tests is not, so nothing is sent."""

    async def work() -> None:
        web = Web()
        async with serving(web, ORIGIN, proxy.authority.server("api.test")) as port:
            stream = await proxy.holder().tunnel(f"{ORIGIN}:{port}")
            await stream.tls(ORIGIN, proxy.ca)
            got = await stream.ask(f"GET / HTTP/1.1\nHost: {ORIGIN}:{port}".encode())
            stream.close()
            assert got.status == 502
            assert web.requests == []

    asyncio.run(work())


def test_what_is_not_http_inside_tls_is_relayed_and_redacted(proxy: Proxy) -> None:
    async def work() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while piece := await reader.read(100):
                writer.write(piece + SECRET)

        async with serving(script, ORIGIN, proxy.authority.server("api.test")) as port, asyncio.timeout(60):
            stream = await proxy.holder().https("api.test", port, protocols=())
            stream.writer.write(b"\x00\x01" + HOLDER)
            expected = b"\x00\x01" + HOLDER + HOLDER
            assert await stream.reader.readexactly(len(expected)) == expected
            stream.close()

    asyncio.run(work())


def test_the_log_holds_no_traffic(proxy: Proxy) -> None:
    """Every line is JSON, and nothing of what the other tests sent is in it."""
    said = json.dumps(proxy.said())
    assert VALUE not in said
    assert "osb_sealed_" not in said
    assert "api.test" not in said
    assert [line for line in proxy.said() if line["level"] == "error"] == []
