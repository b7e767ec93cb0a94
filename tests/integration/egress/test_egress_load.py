"""Much at once, slowly read, costs no memory; and the process itself."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.integration.egress.certificates import Authority
from tests.integration.egress.origin import Reader, Web, Writer, read_head, serving
from tests.integration.egress.proxy import DEADLINE, ORIGIN, SECOND, Proxy, Sandbox, Stream

READERS = 20
BODY = 50 * 1024 * 1024
PIECE = b"x" * 65536


@pytest.mark.parametrize("secure", [False, True])
def test_slow_readers_of_large_answers_cost_no_memory(proxy: Proxy, secure: bool) -> None:
    async def work() -> None:
        async def script(reader: Reader, writer: Writer) -> None:
            await read_head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BODY)
            for _ in range(BODY // len(PIECE)):
                writer.write(PIECE)
                await writer.drain()

        context = proxy.authority.server("api.test") if secure else None
        async with serving(script, ORIGIN, context) as port, asyncio.timeout(2 * DEADLINE):
            sandbox = proxy.holder()
            streams = [await opened(sandbox, port, secure) for _ in range(READERS)]
            before = proxy.memory()
            for stream in streams:
                stream.writer.write(b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")
            for stream in streams:
                await stream.reader.readexactly(1_000_000)
            assert proxy.memory() - before < 100
            for stream in streams:
                stream.close()

    asyncio.run(work())


def test_uploads_to_slow_servers_cost_no_memory(proxy: Proxy) -> None:
    async def work() -> None:
        over = asyncio.Event()

        async def script(reader: Reader, writer: Writer) -> None:
            await read_head(reader)
            await over.wait()

        async with serving(script, ORIGIN, proxy.authority.server("api.test")) as port:
            sandbox = proxy.holder()
            streams = [await sandbox.https("api.test", port) for _ in range(READERS)]
            before = proxy.memory()
            uploads = [asyncio.create_task(upload(stream.writer)) for stream in streams]
            await asyncio.sleep(3)
            assert not any(task.done() for task in uploads)
            assert proxy.memory() - before < 100
            for task in uploads:
                task.cancel()
            await asyncio.gather(*uploads, return_exceptions=True)
            over.set()
            for stream in streams:
                stream.close()

    asyncio.run(work())


async def opened(sandbox: Sandbox, port: int, secure: bool) -> Stream:
    return await (sandbox.https("api.test", port) if secure else sandbox.tunnel(f"api.test:{port}"))


async def upload(writer: asyncio.StreamWriter) -> None:
    writer.write(b"POST / HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(BODY // len(PIECE)):
        writer.write(b"%x\r\n%s\r\n" % (len(PIECE), PIECE))
        await writer.drain()


def test_an_upload_while_a_new_connection_is_awaited_is_not_collected(proxy: Proxy) -> None:
    """The server leaves after its first answer; then nobody takes connections there, and none is refused either."""

    async def work() -> None:
        async def script(reader: Reader, writer: Writer) -> None:
            await read_head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()

        async with serving(script, ORIGIN) as port:
            stream = await proxy.holder().tunnel(f"api.test:{port}")
            assert (await stream.ask(b"GET / HTTP/1.1\nHost: api.test")).status == 200
        before = proxy.memory()
        with deaf(port):
            task = asyncio.create_task(upload(stream.writer))
            await asyncio.sleep(3)
            assert not task.done()
            assert proxy.memory() - before < 50
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            stream.close()

    asyncio.run(work())


@contextmanager
def deaf(port: int) -> Iterator[None]:
    """A listener whose queue is full: the kernel drops what asks for a connection (listen(2))."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ORIGIN, port))
        listener.listen(0)
        for _ in range(3):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((ORIGIN, port))
        yield


def test_the_next_address_of_a_name_is_tried(proxy: Proxy, tmp_path: Path) -> None:
    async def work() -> None:
        hosts = proxy.directory / "hosts"
        text = hosts.read_text()
        temporary = tmp_path / "hosts"
        temporary.write_text(f"{SECOND} twice.test\n{ORIGIN} twice.test\n{text}")
        temporary.rename(hosts)
        async with serving(Web(), ORIGIN) as port:
            stream = await proxy.sandbox().tunnel(f"twice.test:{port}")
            assert (await stream.ask(b"GET / HTTP/1.1\nHost: twice.test")).status == 200
            stream.close()

    asyncio.run(work())


def test_start_and_end(tmp_path: Path) -> None:
    """The authority is made once, and only its public part is for others; SIGTERM ends the process."""
    proxy = Proxy(tmp_path, Authority(tmp_path))
    try:
        proxy.start()
        public = proxy.ca.read_bytes()
        assert b"PRIVATE" not in public
        state = proxy.ca.parent
        assert state.stat().st_mode & 0o777 == 0o700
        private = [path for path in state.rglob("*") if path.is_file() and b"PRIVATE" in path.read_bytes()]
        assert private
        assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
        assert proxy.stop() == 0
        (state / ".mitmproxy-unfinished").mkdir()
        proxy.log.write_text("")
        proxy.start()
        assert proxy.ca.read_bytes() == public
        assert not (state / ".mitmproxy-unfinished").exists()
        assert proxy.stop() == 0
        assert json.loads(proxy.log.read_text().splitlines()[-1])["event"] == "stopped"
    finally:
        proxy.close()


def test_it_ends_with_connections_open(tmp_path: Path) -> None:
    proxy = Proxy(tmp_path, Authority(tmp_path))
    try:
        proxy.start()

        async def work() -> None:
            async with serving(Web(), ORIGIN, proxy.authority.server("api.test")) as port:
                streams = [
                    await proxy.holder().https("api.test", port),
                    await proxy.sandbox().tunnel(f"api.test:{port}"),
                ]
                assert await asyncio.to_thread(proxy.stop) == 0
                for stream in streams:
                    stream.close()

        asyncio.run(work())
        assert [line for line in proxy.said() if line["level"] == "error"] == []
    finally:
        proxy.close()
    assert os.WIFEXITED(proxy.process.returncode)
