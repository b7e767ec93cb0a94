"""Who may reach what, as a hostile sandbox tries it through the explicit port."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from oc.egress import limits
from tests.integration.egress.origin import Web, serving
from tests.integration.egress.proxy import DEADLINE, ORIGIN, Proxy, Sandbox, Stream


def test_an_address_without_a_policy_gets_nothing(proxy: Proxy) -> None:
    async def work() -> None:
        stranger = Sandbox(proxy, proxy.addresses.get_nowait(), {})
        stream, answer = await stranger.connect("api.test:443")
        assert answer.status == 407
        stream.close()

    asyncio.run(work())


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1", b"GET https://api.test/ HTTP/1.1", b"OPTIONS * HTTP/1.1"])
def test_what_asks_for_no_host_is_not_taken(proxy: Proxy, line: bytes) -> None:
    async def work() -> None:
        stream = await proxy.sandbox().dial()
        answer = await stream.ask(line + b"\nHost: api.test")
        assert answer.status == 405
        assert answer.header("allow") == b"CONNECT"
        stream.close()

    asyncio.run(work())


def test_a_request_in_absolute_form_is_passed_on_once(proxy: Proxy) -> None:
    async def work() -> None:
        web = Web()
        async with serving(web, ORIGIN) as port:
            stream = await proxy.sandbox().dial()
            head = f"GET http://api.test:{port}/a?b HTTP/1.1\nHost: api.test:{port}\nProxy-Connection: keep-alive"
            assert (await stream.ask(head.encode())).status == 200
            assert await stream.reader.read() == b""  # the next one may be for another host
            assert web.requests[0].line == b"GET /a?b HTTP/1.1"
            assert web.requests[0].header("proxy-connection") is None
            stream.close()

    asyncio.run(work())


@pytest.mark.parametrize("url", ["http://www.evil.example/", "http://user@api.test/", "http://private.test/"])
def test_a_request_in_absolute_form_gets_no_further_than_a_connect(proxy: Proxy, url: str) -> None:
    async def work() -> None:
        stream = await proxy.sandbox().dial()
        answer = await stream.ask(f"GET {url} HTTP/1.1\nHost: api.test".encode())
        assert answer.status in {400, 403, 405}
        stream.close()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("authority", "reason"),
    [
        ("www.evil.example:443", "host is not allowed"),
        ("WWW.EVIL.example.:443", "host is not allowed"),
        ("test:443", "host is not allowed"),
        ("private.test:443", "private address"),
        ("127.0.2.1:443", "direct address"),
        ("93.184.216.34:443", "direct address"),
        ("169.254.169.254:80", "direct address"),
        ("[::ffff:127.0.2.1]:443", "direct address"),
        ("[::1]:443", "direct address"),
    ],
)
def test_what_is_not_allowed_is_refused_in_words_and_reported(proxy: Proxy, authority: str, reason: str) -> None:
    async def work() -> None:
        sandbox = proxy.sandbox()
        stream, answer = await sandbox.connect(authority)
        stream.close()
        assert answer.status == 403
        assert reason.encode() in answer.body
        assert answer.body.count(b"\n") == 1
        event = proxy.event(sandbox)
        assert event["sandbox"] == sandbox.policy["sandbox"]
        assert event["reason"] == reason
        assert event["port"] == int(authority.rpartition(":")[2])

    asyncio.run(work())


@pytest.mark.parametrize(
    "authority",
    [
        *("127.1:443", "2130706434:443", "0x7f000101:443", "0177.0.1.1:443", "127.0.1.1.:x", "api.test", "api.test:0"),
        *("u@api.test:443", "api.test:443@evil.example:1", "api.test:99999", "[api.test]:443", "a\x00b.test:443"),
        *("api.test/x:443", "b\xfccher.test:443", ":443", "*.test:443"),
    ],
)
def test_an_authority_that_could_be_read_in_two_ways_is_malformed(proxy: Proxy, authority: str) -> None:
    async def work() -> None:
        stream, answer = await proxy.sandbox().connect(authority)
        stream.close()
        assert answer.status == 400

    asyncio.run(work())


def test_one_host_in_any_spelling(proxy: Proxy) -> None:
    async def work() -> None:
        web = Web()
        async with serving(web, ORIGIN) as port:
            for name in ("API.Test", "api.test.", "xn--bcher-kva.test"):
                stream = await proxy.sandbox().tunnel(f"{name}:{port}")
                answer = await stream.ask(f"GET / HTTP/1.1\nHost: {name}:{port}".encode())
                assert answer.status == 200, answer
                stream.close()

    asyncio.run(work())


def test_deny_all_denies_all(proxy: Proxy) -> None:
    async def work() -> None:
        sandbox = proxy.sandbox(denyAll=True)
        for authority in ("api.test:443", f"{ORIGIN}:443"):
            stream, answer = await sandbox.connect(authority)
            stream.close()
            assert answer.status == 403
            assert proxy.event(sandbox)["reason"] == "all egress is denied"

    asyncio.run(work())


def test_an_open_cidr_is_reached_by_address(proxy: Proxy) -> None:
    async def work() -> None:
        async with serving(Web(), ORIGIN) as port:
            stream = await proxy.sandbox(allowHosts=[]).tunnel(f"{ORIGIN}:{port}")
            answer = await stream.ask(f"GET / HTTP/1.1\nHost: {ORIGIN}:{port}".encode())
            assert answer.status == 200
            stream.close()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\nHost: other.test", 421),
        (b"GET / HTTP/1.1\nHost: www.evil.example", 421),
        (b"GET http://other.test/ HTTP/1.1\nHost: api.test", 421),
        (b"GET http://api.test/ HTTP/1.1\nHost: other.test", 421),
        (b"GET / HTTP/1.1\nHost: api.test\nHost: other.test", 421),
        (b"GET / HTTP/1.1\nHost: 127.0.1.1", 421),
        (b"GET / HTTP/1.1\nX: y", 400),
        (b"GET / HTTP/1.1\nHost: api.test@other.test", 400),
        (b"GET / HTTP/1.1\nHost: api.test\nX: a\n b", 400),
        (b"CONNECT other.test:443 HTTP/1.1\nHost: api.test", 400),
        (b"POST / HTTP/1.1\nHost: api.test\nContent-Length: 1\nTransfer-Encoding: chunked", 400),
        (b"POST / HTTP/1.1\nHost: api.test\nTransfer-Encoding: xchunked", 400),
        (b"POST / HTTP/1.1\nHost: api.test\nContent-Length: 1\nContent-Length: 2", 400),
    ],
)
@pytest.mark.parametrize("secure", [True, False])
def test_a_request_says_what_its_connection_says(proxy: Proxy, secure: bool, head: bytes, status: int) -> None:
    """Behind an allowed name no other host is reached (domain fronting), and no request is hidden in another."""

    async def work() -> None:
        web = Web()
        context = proxy.authority.server("api.test", "other.test") if secure else None
        async with serving(web, ORIGIN, context) as port:
            sandbox = proxy.holder()
            stream = await (sandbox.https("api.test", port) if secure else sandbox.tunnel(f"api.test:{port}"))
            assert (await stream.ask(b"GET /first HTTP/1.1\nHost: api.test")).status == 200
            assert (await stream.ask(head)).status == status
            stream.close()
            assert [request.line for request in web.requests] == [b"GET /first HTTP/1.1"]

    asyncio.run(work())


def test_a_name_in_tls_that_is_not_the_one_of_connect_reaches_nothing(proxy: Proxy) -> None:
    async def work() -> None:
        web = Web()
        async with serving(web, ORIGIN, proxy.authority.server("api.test", "other.test")) as port:
            plain, holder = proxy.sandbox(), proxy.holder()
            stream = await plain.tunnel(f"api.test:{port}")
            with pytest.raises((OSError, EOFError)):
                await stream.tls("other.test", proxy.authority.file)
            stream.close()
            assert proxy.event(plain)["reason"] == "names of one connection differ"
            stream = await holder.tunnel(f"api.test:{port}")
            await stream.tls("other.test", proxy.ca)
            answer = await stream.ask(b"GET / HTTP/1.1\nHost: other.test")
            stream.close()
            assert answer.status == 421
            assert proxy.event(holder)["reason"] == "names of one connection differ"
            assert web.requests == []

    asyncio.run(work())


@pytest.mark.parametrize(
    "opening",
    [
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",  # a ClientHello that is none
        b"\x15\x03\x01\x00\x02\x01\x00",  # an alert before it, which servers skip
        b"\x80\x2e\x01\x03\x03",  # the format of SSL 2
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"\r\n\r\nGET / HTTP/1.1\r\nHost: www.evil.example\r\n\r\n",
        b"GET http://www.evil.example/ HTTP/1.1\r\nHost: api.test\r\n\r\n",
    ],
)
def test_almost_tls_and_almost_http_do_not_pass_as_something_else(proxy: Proxy, opening: bytes) -> None:
    async def work() -> None:
        came: list[bytes] = []

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            came.append(await reader.read(1))

        async with serving(listen, ORIGIN) as port:
            sandbox = proxy.holder()
            stream = await sandbox.tunnel(f"api.test:{port}")
            stream.writer.write(opening)
            await asyncio.to_thread(proxy.event, sandbox)
            stream.close()
            assert came in ([], [b""])

    asyncio.run(work())


def test_a_long_head_is_not_kept(proxy: Proxy) -> None:
    async def work() -> None:
        async with serving(Web(), ORIGIN) as port:
            stream = await proxy.sandbox().tunnel(f"api.test:{port}")
            assert (await stream.ask(b"GET / HTTP/1.1\nHost: api.test")).status == 200
            await flood(stream, b"GET / HTTP/1.1\r\nHost: api.test\r\nX: ")
            stream = await proxy.sandbox().dial()
            await flood(stream, b"CONNECT api.test:443 HTTP/1.1\r\nX: ")

    asyncio.run(work())


async def flood(stream: Stream, start: bytes) -> None:
    """Sends without an end until the proxy ends the connection."""
    stream.writer.write(start)
    with pytest.raises(ConnectionError):
        await for_ever(stream)
    stream.close()


async def for_ever(stream: Stream) -> None:
    async with asyncio.timeout(DEADLINE):
        while True:
            stream.writer.write(b"x" * 65536)
            await stream.writer.drain()


def test_one_sandbox_has_so_many_connections(proxy: Proxy) -> None:
    async def work() -> None:
        async with serving(Web(), ORIGIN) as port:
            sandbox, other = proxy.sandbox(), proxy.sandbox()
            streams = [await sandbox.tunnel(f"api.test:{port}") for _ in range(limits.CONNECTIONS)]
            stream, answer = await sandbox.connect(f"api.test:{port}")
            assert answer.status == 503
            assert proxy.event(sandbox)["reason"] == "too many connections"
            for one in (*streams, stream, await other.tunnel(f"api.test:{port}")):
                one.close()

    asyncio.run(work())


def test_a_change_of_policy_reaches_open_connections(proxy: Proxy) -> None:
    """HTTP at the next request; what has no requests within seconds."""

    async def work() -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while piece := await reader.read(100):
                writer.write(piece)

        async with serving(Web(), ORIGIN) as web, serving(echo, ORIGIN) as raw:
            sandbox = proxy.sandbox()
            asking, talking = await sandbox.tunnel(f"api.test:{web}"), await sandbox.tunnel(f"api.test:{raw}")
            assert (await asking.ask(b"GET / HTTP/1.1\nHost: api.test")).status == 200
            talking.writer.write(b"\0hello")
            assert await talking.reader.readexactly(6) == b"\0hello"
            sandbox.write(allowHosts=["other.test"])
            with contextlib.suppress(OSError, EOFError):  # the periodic check may come first
                assert (await asking.ask(b"GET / HTTP/1.1\nHost: api.test")).status == 403
            assert await talking.ended() == b""
            asking.close()
            talking.close()

    asyncio.run(work())
