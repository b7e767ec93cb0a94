"""The forwarder, in a namespace of its own: its clients on the loopback, stand-ins as the host's name servers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from pyroute2 import IPRoute  # type: ignore[import-untyped]

from oc.host import netns
from oc.host.syscalls import CLONE_NEWNET, unshare
from oc.model.errors import Unavailable
from oc.worker import dns, resolver
from oc.worker.resolver import Resolver, Server

PATIENCE_S = 60
LOCAL = IPv4Network("127.0.0.0/8")
HERE: Server = ("127.0.0.1", 53)
QUERY = bytes.fromhex("abcd01000001000000000000") + b"\x07example\x04Test\x00\x00\x01\x00\x01"
RECORD = bytes.fromhex("c00c00010001000000050004c0000201")


def alone(work: Callable[[], Awaitable[None]]) -> None:
    """Runs a test where no other program has any port."""

    def run() -> None:
        unshare(CLONE_NEWNET)
        with IPRoute() as here:
            here.link("set", index=1, state="up")
        asyncio.run(_within(work))

    netns.in_thread(run)


async def _within(work: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await work()


def answer(query: bytes, *, id: int | None = None) -> bytes:
    number = query[:2] if id is None else id.to_bytes(2, "big")
    return number + bytes.fromhex("81800001000100000000") + query[12:] + RECORD


class Upstream(asyncio.DatagramProtocol):
    """A name server that does to each question what the test says."""

    def __init__(self, reply: Callable[[bytes], list[bytes]]) -> None:
        self.reply = reply
        self.asked: list[bytes] = []
        self.address: Server = HERE
        self.transport: asyncio.DatagramTransport | None = None
        self.closed = asyncio.Event()

    async def start(self, host: str) -> Server:
        loop = asyncio.get_running_loop()
        self.address = host, 53
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=self.address)
        return self.address

    async def close(self) -> None:
        assert self.transport is not None
        self.transport.close()
        await self.closed.wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    def datagram_received(self, data: bytes, addr: Server) -> None:
        self.asked.append(data)
        assert self.transport is not None
        for message in self.reply(data):
            self.transport.sendto(message, addr)


async def ask(query: bytes, source: str = "127.0.0.9") -> bytes:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind((source, 0))
        sock.connect(HERE)
        await loop.sock_sendall(sock, query)
        return await loop.sock_recv(sock, 65535)


@contextlib.asynccontextmanager
async def serving(
    *replies: Callable[[bytes], list[bytes]], clients: IPv4Network = LOCAL
) -> AsyncIterator[list[Upstream]]:
    """A forwarder, with one name server for each reply."""
    upstreams = [Upstream(reply) for reply in replies]
    servers = [await upstream.start(f"127.0.1.{n}") for n, upstream in enumerate(upstreams, 1)]
    forwarder = Resolver(HERE[0], clients, servers=lambda: servers)
    await forwarder.start()
    try:
        yield upstreams
    finally:
        await forwarder.stop()
        for upstream in upstreams:
            await upstream.close()


def good(query: bytes) -> list[bytes]:
    return [answer(query)]


def silent(query: bytes) -> list[bytes]:
    return []


def test_a_question_is_passed_on_under_another_id() -> None:
    async def work() -> None:
        async with serving(good) as (upstream,):
            for _ in range(3):
                assert await ask(QUERY) == answer(QUERY)
        assert all(asked[2:] == QUERY[2:] for asked in upstream.asked)
        assert len({asked[:2] for asked in upstream.asked}) > 1

    alone(work)


def test_it_starts_again_where_it_was_stopped_and_only_once() -> None:
    async def work() -> None:
        for _ in range(2):
            async with serving(good):
                assert await ask(QUERY) == answer(QUERY)
                with pytest.raises(Unavailable, match="another program has that port"):
                    await Resolver(HERE[0], LOCAL).start()

    alone(work)


def test_it_listens_before_its_address_is_there() -> None:
    async def work() -> None:
        forwarder = Resolver("10.99.99.1", LOCAL)
        await forwarder.start()
        await forwarder.start()
        await forwarder.stop()
        await forwarder.stop()

    alone(work)


def test_forged_answers_are_passed_over() -> None:
    def forging(query: bytes) -> list[bytes]:
        wrong_id = answer(query, id=int.from_bytes(query[:2], "big") ^ 1)
        other_name = answer(query.replace(b"example", b"exbmple"))
        return [wrong_id, other_name, query, b"", query[:2], answer(query)]

    async def work() -> None:
        async with serving(forging):
            assert await ask(QUERY) == answer(QUERY)

    alone(work)


def test_the_next_server_is_asked_when_one_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "UPSTREAM_S", 0.1)

    async def work() -> None:
        async with serving(silent, good):
            while await ask(QUERY) != answer(QUERY):  # on a busy machine both may be too late for 0.1 s
                pass

    alone(work)


def test_when_none_answers_the_client_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "UPSTREAM_S", 0.1)

    async def work() -> None:
        async with serving(silent, silent):
            assert await ask(QUERY) == QUERY[:2] + bytes.fromhex("81820001000000000000") + QUERY[12:]
        async with serving():
            assert (await ask(QUERY))[3] & 0xF == dns.SERVFAIL

    alone(work)


def test_what_is_no_question_is_not_passed_on() -> None:
    noise = [b"", b"x", QUERY[:-1], answer(QUERY), QUERY[:12] + b"\xc0\x0c\x00\x01\x00\x01", QUERY[:2] + bytes(10)]
    noise.append(QUERY + bytes(resolver.LARGEST_QUERY))

    async def work() -> None:
        async with serving(good) as (upstream,):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                for message in noise:
                    sock.sendto(message, HERE)
            assert await ask(QUERY) == answer(QUERY)  # datagrams are served in order
            assert len(upstream.asked) == 1

    alone(work)


def test_one_client_cannot_take_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its bound a client's questions are dropped; another's are answered."""
    monkeypatch.setattr(resolver, "PENDING_PER_CLIENT", 4)
    greedy = QUERY.replace(b"example", b"exhaust")

    async def work() -> None:
        async with serving(lambda query: [] if b"exhaust" in query else [answer(query)]) as (upstream,):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind(("127.0.0.8", 0))
                for _ in range(50):
                    sock.sendto(greedy, HERE)
            assert await ask(QUERY, "127.0.0.9") == answer(QUERY)
            assert len(upstream.asked) == 5

    alone(work)


def test_strangers_get_no_answer() -> None:
    async def work() -> None:
        async with serving(good, clients=IPv4Network("127.0.0.9/32")) as (upstream,):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind(("127.0.0.8", 0))
                sock.sendto(QUERY, HERE)
            assert await ask(QUERY, "127.0.0.9") == answer(QUERY)
            assert len(upstream.asked) == 1
            reader, writer = await asyncio.open_connection(*HERE, local_addr=("127.0.0.8", 0))
            assert await reader.read() == b""
            writer.close()

    alone(work)


async def _stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A name server's side of a connection: an answer too long for a datagram."""
    query = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
    message = answer(query) + bytes(5000)
    writer.write(len(message).to_bytes(2, "big") + message)
    await writer.drain()
    writer.close()


def test_long_answers_come_over_a_connection() -> None:
    async def work() -> None:
        async with serving(good) as upstreams, await asyncio.start_server(_stream, *upstreams[0].address):
            reader, writer = await asyncio.open_connection(*HERE, local_addr=("127.0.0.9", 0))
            for _ in range(2):
                writer.write(len(QUERY).to_bytes(2, "big") + QUERY)
                size = int.from_bytes(await reader.readexactly(2), "big")
                assert await reader.readexactly(size) == answer(QUERY) + bytes(5000)
            writer.write(b"\xff\xff")
            assert await reader.read() == b""
            writer.close()

    alone(work)


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        (
            "search x\nnameserver 192.0.2.1\n# nameserver 192.0.2.9\nnameserver 2001:db8::1\n",
            ["192.0.2.1", "2001:db8::1"],
        ),
        ("nameserver 127.0.0.53\n", ["192.0.2.7"]),
        ("nameserver nonsense\n", ["127.0.0.1"]),
    ],
)
def test_the_hosts_servers(text: str, servers: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "resolv.conf").write_text(text)
    (tmp_path / "real").write_text("nameserver 192.0.2.7\n")
    monkeypatch.setattr(resolver, "RESOLV_CONF", tmp_path / "resolv.conf")
    monkeypatch.setattr(resolver, "SYSTEMD_RESOLV_CONF", tmp_path / "real")
    assert resolver.host_servers() == [(server, 53) for server in servers]
