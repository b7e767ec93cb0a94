"""HTTP/2, WebSockets and protocols that are neither."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from oc.egress import limits
from tests.integration.egress.origin import Reader, Web, Writer, serving
from tests.integration.egress.proxy import DEADLINE, ORIGIN, PLACEHOLDER, PYTHON, VALUE, Proxy, Sandbox

HTTP2 = Path(__file__).with_name("http2.py")
Data = str | bytes
HOLDER, SECRET = PLACEHOLDER.encode(), VALUE.encode()


@pytest.fixture(scope="module")
def http2_port(proxy: Proxy) -> Iterator[int]:
    """An origin server that speaks nothing but HTTP/2."""
    proxy.authority.server("api.test", protocols=("h2",))
    argv: list[str | Path] = [PYTHON, HTTP2, "serve", str(proxy.directory / "api.test.pem"), ORIGIN]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield int(process.stdout.readline())
        process.kill()


def curl(sandbox: Sandbox, port: int, *arguments: str) -> str:
    """What curl prints of HTTP/2 to api.test."""
    host, proxy_port = sandbox.proxy.explicit
    argv = ["curl", "--silent", "--show-error", "--http2", "--max-time", "60", "--interface", sandbox.address]
    argv += ["--proxy", f"http://{host}:{proxy_port}", "--cacert", str(sandbox.proxy.ca), *arguments]
    done = subprocess.run([*argv, f"https://api.test:{port}/echo"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_http2_is_spoken_on_both_sides_and_swapped(proxy: Proxy, http2_port: int) -> None:
    written = curl(
        proxy.holder(), http2_port, "-H", f"x-key: {PLACEHOLDER}", "-d", f"k={PLACEHOLDER}", "-w", "%{http_version}"
    )
    assert written.endswith("2")
    assert f"x-key: {PLACEHOLDER}" in written
    assert f"k={PLACEHOLDER}" in written
    assert VALUE not in written
    other = curl(proxy.holder(hosts=("other.test",)), http2_port, "-H", f"x-key: {PLACEHOLDER}")
    assert f"x-key: {PLACEHOLDER}" in other


def test_http2_bodies_are_swapped(proxy: Proxy, http2_port: int) -> None:
    """That the value went out shows in its own absence: the length of the echo."""
    short = proxy.holder(value="V" * 8)
    written = curl(short, http2_port, "-H", "content-type: text/plain", "--data-binary", f"a{PLACEHOLDER}b")
    assert written.endswith(f"a{PLACEHOLDER}b")
    assert "content-length: 10" in written


@pytest.mark.parametrize("header", ["host: other.test", "host: www.evil.example"])
def test_http2_requests_say_what_their_connection_says(proxy: Proxy, http2_port: int, header: str) -> None:
    assert "421" in curl(proxy.holder(), http2_port, "-H", header, "-w", "%{http_code}")


def test_a_slow_http2_stream_stops_its_server_and_no_other_stream(proxy: Proxy, http2_port: int) -> None:
    sandbox = proxy.holder()
    before = proxy.memory()
    host, port = proxy.explicit
    argv: list[str | Path] = [
        PYTHON,
        HTTP2,
        "ask",
        f"{host}:{port}",
        sandbox.address,
        str(proxy.ca),
        "api.test",
        str(http2_port),
    ]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        unread, unread_too, echoed = map(int, process.stdout.readline().split())
        assert unread <= 65535
        assert unread_too <= 65535
        assert echoed > 0
        assert proxy.memory() - before < 40
        process.kill()


async def talk(proxy: Proxy, sandbox: Sandbox, secure: bool, *messages: str | bytes) -> tuple[list[Data], list[Data]]:
    """What a WebSocket server got, and what came back: an echo, and the value in two frames."""
    seen: list[Data] = []

    async def handler(server: ServerConnection) -> None:
        async for message in server:
            seen.append(message)
            await server.send(message)
            await server.send([VALUE[:5], VALUE[5:]] if isinstance(message, str) else [SECRET[:5], SECRET[5:]])

    context = proxy.authority.server("api.test") if secure else None
    async with serve(handler, ORIGIN, 0, ssl=context, max_size=None) as server, asyncio.timeout(DEADLINE):
        port = next(iter(server.sockets)).getsockname()[1]
        host, proxy_port = proxy.explicit
        client = connect(
            f"{'wss' if secure else 'ws'}://api.test:{port}/",
            proxy=f"http://{host}:{proxy_port}",
            ssl=ssl.create_default_context(cafile=proxy.ca) if secure else None,
            local_addr=(sandbox.address, 0),
            max_size=None,
        )
        got: list[Data] = []
        async with client as web_socket:
            for message in messages:
                await web_socket.send(message)
                got += [await web_socket.recv(), await web_socket.recv()]
    return seen, got


def test_messages_of_web_sockets_are_swapped_and_redacted(proxy: Proxy) -> None:
    seen, got = asyncio.run(talk(proxy, proxy.holder(), True, f"ü{PLACEHOLDER}", b"\0" + HOLDER))
    assert seen == [f"ü{VALUE}", b"\0" + SECRET]
    assert got == [f"ü{PLACEHOLDER}", PLACEHOLDER, b"\0" + HOLDER, HOLDER]


def test_large_messages_pass(proxy: Proxy) -> None:
    large = b"x" * 5_000_000 + HOLDER
    seen, got = asyncio.run(talk(proxy, proxy.holder(), True, large))
    assert seen == [b"x" * 5_000_000 + SECRET]
    assert got[0] == large


def test_web_sockets_without_tls_see_the_placeholder_only(proxy: Proxy) -> None:
    seen, got = asyncio.run(talk(proxy, proxy.holder(), False, PLACEHOLDER))
    assert seen == [PLACEHOLDER]
    assert got == [PLACEHOLDER, PLACEHOLDER]


def test_web_sockets_of_a_sandbox_without_secrets(proxy: Proxy) -> None:
    seen, got = asyncio.run(talk(proxy, proxy.sandbox(), False, "hello"))
    assert seen == ["hello"]
    assert got == ["hello", VALUE]


def test_a_web_socket_ends_when_the_policy_does(proxy: Proxy) -> None:
    async def work() -> None:
        async def handler(server: ServerConnection) -> None:
            await server.wait_closed()

        async with serve(handler, ORIGIN, 0) as server, asyncio.timeout(DEADLINE):
            port = next(iter(server.sockets)).getsockname()[1]
            host, proxy_port = proxy.explicit
            sandbox = proxy.sandbox()
            url, via = f"ws://api.test:{port}/", f"http://{host}:{proxy_port}"
            async with connect(url, proxy=via, local_addr=(sandbox.address, 0)) as web_socket:
                sandbox.write(allowHosts=["other.test"])
                with pytest.raises(ConnectionClosed):
                    await web_socket.recv()

    asyncio.run(work())


@pytest.mark.parametrize(
    "first", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"*1\r\n$4\r\nPING\r\n"]
)
def test_other_protocols_pass_byte_for_byte(proxy: Proxy, first: bytes) -> None:
    async def work() -> None:
        async def script(reader: Reader, writer: Writer) -> None:
            while piece := await reader.read(65536):
                writer.write(piece)
            writer.write(b"bye")
            writer.write_eof()

        async with serving(script, ORIGIN) as port, asyncio.timeout(DEADLINE):
            stream = await proxy.sandbox().tunnel(f"api.test:{port}")
            stream.writer.write(first)
            assert await stream.reader.readexactly(len(first)) == first
            stream.writer.write_eof()
            assert await stream.reader.read() == b"bye"
            stream.close()

    asyncio.run(work())


def test_a_server_may_speak_first(proxy: Proxy) -> None:
    async def work() -> None:
        async def script(reader: Reader, writer: Writer) -> None:
            writer.write(b"220 mail.test " + SECRET[:3])
            await reader.readline()
            writer.write(SECRET[3:] + b"\r\n")
            await reader.read()

        async with serving(script, ORIGIN) as port, asyncio.timeout(DEADLINE):
            for sandbox, expected in ((proxy.sandbox(), SECRET), (proxy.holder(), HOLDER)):
                stream = await sandbox.tunnel(f"api.test:{port}")
                assert await stream.reader.readexactly(14) == b"220 mail.test "
                stream.writer.write(b"EHLO x\r\n")
                assert await stream.reader.readline() == expected + b"\r\n"
                stream.close()

    asyncio.run(work())


def test_a_client_that_waits_is_still_intercepted(proxy: Proxy) -> None:
    """Silence until the server was given the word is no way round the reading of TLS."""

    async def work() -> None:
        web = Web()
        async with serving(web, ORIGIN, proxy.authority.server("api.test")) as port:
            stream = await proxy.holder().tunnel(f"api.test:{port}")
            await asyncio.sleep(3 * limits.GREETING)
            await stream.tls("api.test", proxy.ca)
            answer = await stream.ask(b"GET / HTTP/1.1\nHost: api.test\nX: " + HOLDER)
            stream.close()
            assert web.requests[0].header("x") == SECRET
            assert HOLDER in answer.body

    asyncio.run(work())


def test_echo_in_both_directions_at_once_does_not_stop(proxy: Proxy) -> None:
    """Both sides write more than all buffers hold before either has read all."""

    async def work() -> None:
        async def script(reader: Reader, writer: Writer) -> None:
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()

        size = 32 * 1024 * 1024
        for secure in (False, True):
            context = proxy.authority.server("api.test") if secure else None
            async with serving(script, ORIGIN, context) as port, asyncio.timeout(DEADLINE):
                sandbox = proxy.holder()
                stream = await sandbox.tunnel(f"api.test:{port}")
                if secure:
                    await stream.tls("api.test", proxy.ca, ())
                reading = asyncio.create_task(stream.reader.readexactly(size))
                for _ in range(size // 65536):
                    stream.writer.write(bytes(65536))
                    await stream.writer.drain()
                assert await reading == bytes(size)
                stream.close()

    asyncio.run(work())
