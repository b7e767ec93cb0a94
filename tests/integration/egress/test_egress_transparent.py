"""Connections that the kernel redirects to the proxy, in a network namespace of the test's own."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from oc.host import netns
from tests.integration.egress.certificates import Authority
from tests.integration.egress.origin import Reader, Web, Writer, serving
from tests.integration.egress.proxy import DEADLINE, ORIGIN, PLACEHOLDER, PRIVATE, VALUE, Proxy, Sandbox, Stream

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces are made by root")

ELSEWHERE = "127.0.9.34"  # what sandboxes dial: nobody listens there, and it is in nobody's allowCidrs
INTERNET = "93.184.216.34"
RULES = """
table ip sandboxes {
  chain out {
    type nat hook output priority -100
    ip saddr 127.0.7.0/24 ip daddr != 127.0.0.1 meta l4proto tcp redirect to :%d
  }
}
"""


class World:
    """A namespace with a proxy in it, to which all that sandboxes dial is redirected."""

    def __init__(self, path: Path, proxy: Proxy) -> None:
        self.path = path
        self.proxy = proxy

    def run(self, *argv: str, text: str = "") -> None:
        subprocess.run(["nsenter", f"--net={self.path}", *argv], input=text, text=True, check=True)

    def socket(self) -> socket.socket:
        return netns.inside(self.path, socket.socket)

    async def dial(self, sandbox: Sandbox, host: str, port: int) -> Stream:
        made = self.socket()
        made.bind((sandbox.address, 0))
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, (host, port))
        return Stream(*await asyncio.open_connection(sock=made))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("transparent")
    name = f"oc-egress-test-{os.getpid()}"
    made = World(netns.create(name), Proxy(directory, Authority(directory)))
    try:
        made.run("ip", "link", "set", "lo", "up")
        made.run("ip", "route", "add", "default", "dev", "lo")
        made.proxy.start("nsenter", f"--net={made.path}")
        made.run("nft", "-f", "-", text=RULES % made.proxy.transparent[1])
        yield made
    finally:
        made.proxy.close()
        netns.remove(name)


@pytest.mark.parametrize("secure", [True, False])
def test_a_pinned_address_leads_to_the_name_and_not_to_the_address(world: World, secure: bool) -> None:
    """What is dialled is only a witness: the proxy connects to what it is told itself for the name."""

    async def work() -> None:
        web = Web()
        context = world.proxy.authority.server("api.test") if secure else None
        async with serving(web, ORIGIN, context, world.socket) as port:
            for sandbox in (world.proxy.sandbox(), world.proxy.holder()):
                sandbox.pin({ELSEWHERE: ["api.test"], INTERNET: ["www.test", "api.test"]})
                for address in (ELSEWHERE, INTERNET):
                    stream = await world.dial(sandbox, address, port)
                    if secure:
                        trust = world.proxy.ca if sandbox.policy["secrets"] else world.proxy.authority.file
                        await stream.tls("api.test", trust)
                    answer = await stream.ask(f"GET / HTTP/1.1\nHost: api.test\nX: {PLACEHOLDER}".encode())
                    stream.close()
                    assert answer.status == 200
            swapped = VALUE.encode() if secure else PLACEHOLDER.encode()
            assert [request.header("x") for request in web.requests[2:]] == [swapped, swapped]

    asyncio.run(work())


@pytest.mark.parametrize("pins", [{}, {ELSEWHERE: ["other.test"]}, {INTERNET: ["api.test"]}])
@pytest.mark.parametrize("secure", [True, False])
def test_an_address_that_was_no_answer_for_the_name_is_refused(
    world: World, secure: bool, pins: dict[str, list[str]]
) -> None:
    async def work() -> None:
        web = Web()
        context = world.proxy.authority.server("api.test") if secure else None
        async with serving(web, ORIGIN, context, world.socket) as port:
            sandbox = world.proxy.holder()
            sandbox.pin(pins)
            stream = await world.dial(sandbox, ELSEWHERE, port)
            if secure:
                await stream.tls("api.test", world.proxy.ca)
            answer = await stream.ask(b"GET / HTTP/1.1\nHost: api.test")
            stream.close()
            assert answer.status == 403
            event = await asyncio.to_thread(world.proxy.event, sandbox)
            assert (event["reason"], event["host"], event["port"]) == ("direct address", "api.test", port)
            assert web.requests == []

    asyncio.run(work())


def test_one_name_for_all_requests_of_a_connection(world: World) -> None:
    async def work() -> None:
        web = Web()
        async with serving(web, ORIGIN, None, world.socket) as port:
            sandbox = world.proxy.sandbox()
            sandbox.pin({ELSEWHERE: ["api.test", "other.test"]})
            stream = await world.dial(sandbox, ELSEWHERE, port)
            assert (await stream.ask(b"GET / HTTP/1.1\nHost: api.test")).status == 200
            assert (await stream.ask(b"GET / HTTP/1.1\nHost: other.test")).status == 421
            stream.close()
            assert len(web.requests) == 1

    asyncio.run(work())


@pytest.mark.parametrize(
    ("opening", "reason"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", "direct address"),
        (b"GET / HTTP/1.1\r\nHost: www.evil.example\r\n\r\n", "host is not allowed"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.1.1\r\n\r\n", "names of one connection differ"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "direct address"),
        (b"SSH-2.0-x\r\n", "private address"),
        (b"\0\0\0\1", "private address"),
    ],
)
def test_what_names_no_permitted_host_is_refused(world: World, opening: bytes, reason: str) -> None:
    async def work() -> None:
        sandbox = world.proxy.sandbox()
        sandbox.pin({ELSEWHERE: ["api.test"]})
        stream = await world.dial(sandbox, ELSEWHERE, 443)
        stream.writer.write(opening)
        assert (await asyncio.to_thread(world.proxy.event, sandbox))["reason"] == reason
        stream.close()

    asyncio.run(work())


def test_tls_without_a_name_is_refused(world: World) -> None:
    async def work() -> None:
        sandbox = world.proxy.sandbox()
        sandbox.pin({ELSEWHERE: ["api.test"]})
        stream = await world.dial(sandbox, ELSEWHERE, 443)
        with pytest.raises((OSError, EOFError)):
            await stream.tls(None, world.proxy.authority.file)
        stream.close()
        assert (await asyncio.to_thread(world.proxy.event, sandbox))["reason"] == "direct address"

    asyncio.run(work())


def test_what_is_refused_is_not_even_connected_to(world: World) -> None:
    """Though TLS with the sandbox is completed, so that it is told in words."""

    async def work() -> None:
        came = []

        async def script(reader: Reader, writer: Writer) -> None:
            came.append(writer)

        async with serving(script, PRIVATE, None, world.socket) as port:
            stream = await world.dial(world.proxy.holder(), PRIVATE, port)
            await stream.tls(None, world.proxy.ca)
            answer = await stream.ask(f"GET / HTTP/1.1\nHost: {PRIVATE}".encode())
            stream.close()
            assert answer.status == 403
            assert b"direct address" in answer.body
            assert came == []

    asyncio.run(work())


def test_other_protocols_reach_open_addresses_also_when_the_server_speaks_first(world: World) -> None:
    async def work() -> None:
        async def script(reader: Reader, writer: Writer) -> None:
            writer.write(b"SSH-2.0-server\r\n")
            writer.write(await reader.readline())

        async with serving(script, ORIGIN, None, world.socket) as port, asyncio.timeout(DEADLINE):
            stream = await world.dial(world.proxy.sandbox(), ORIGIN, port)
            assert await stream.reader.readline() == b"SSH-2.0-server\r\n"
            stream.writer.write(b"SSH-2.0-client\r\n")
            assert await stream.reader.readline() == b"SSH-2.0-client\r\n"
            stream.close()

    asyncio.run(work())


def test_who_has_no_policy_is_closed_at_once(world: World) -> None:
    async def work() -> None:
        stranger = Sandbox(world.proxy, world.proxy.addresses.get_nowait(), {})
        stream = await world.dial(stranger, ORIGIN, 443)
        assert await stream.ended() == b""
        stream.close()
        assert (await asyncio.to_thread(world.proxy.event, stranger))["reason"] == "no policy"

    asyncio.run(work())


def test_the_port_itself_is_no_way_out(world: World) -> None:
    """Dialled without a redirection, it would lead to itself."""

    async def work() -> None:
        sandbox = world.proxy.sandbox(allowCidrs=["127.0.0.0/8"])
        stream = await world.dial(sandbox, *world.proxy.transparent)
        stream.writer.write(b"\0")
        assert await stream.ended() == b""
        stream.close()

    asyncio.run(work())
