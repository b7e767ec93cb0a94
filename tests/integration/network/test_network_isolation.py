"""What a sandbox reaches: the outside and the resolver, nothing else. Who reaches a sandbox: root of the host."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oc.host import netns
from oc.settings import Settings
from oc.worker.network import Attached, Network
from tests.integration.network.conftest import PATIENCE_S, Host, listening, port, reaches

ONE, OTHER = "sb-00000001", "sb-00000002"
IP_TRANSPARENT = 19


@pytest.fixture
def pair(network: Network) -> tuple[Attached, Attached]:
    async def make() -> tuple[Attached, Attached]:
        await network.open()
        try:
            return await network.attach(ONE), await network.attach(OTHER)
        finally:
            await network.close()  # its sockets are of this event loop; the filter stays

    return asyncio.run(make())


@contextlib.contextmanager
def served(path: Path | None) -> Iterator[int]:
    """A listener in a namespace, or on the host."""
    sock = netns.inside(path, listening) if path else listening()
    with sock:
        yield port(sock)


def from_inside(sandbox: Attached, host: str, number: int, *, expected: bool = False) -> bool:
    return netns.inside(sandbox.netns, lambda: reaches(host, number, expected=expected))


def test_the_outside_is_reached_under_the_hosts_address(pair: tuple[Attached, Attached], public: Host) -> None:
    with netns.inside(public.path, listening) as server:
        target = public.address, port(server)
        with netns.inside(pair[0].netns, lambda: socket.create_connection(target, PATIENCE_S)):
            connection, peer = server.accept()
            connection.close()
    assert peer[0] not in {pair[0].address, pair[1].address}


def test_another_sandbox_is_not(pair: tuple[Attached, Attached]) -> None:
    with served(pair[1].netns) as number:
        assert reaches(pair[1].address, number, expected=True)
        assert not from_inside(pair[0], pair[1].address, number)


def test_the_host_is_not(pair: tuple[Attached, Attached], public: Host, settings: Settings) -> None:
    towards = public.address.rpartition(".")[0] + f".{int(public.address.rpartition('.')[2]) - 1}"
    with served(None) as number:
        for address in (str(settings.network[1]), towards):
            assert reaches(address, number, expected=True)
            assert not from_inside(pair[0], address, number), address


def test_private_addresses_are_not(pair: tuple[Attached, Attached], private: Host) -> None:
    with served(private.path) as number:
        assert reaches(private.address, number, expected=True)
        assert not from_inside(pair[0], private.address, number)


def test_the_outside_does_not_reach_a_sandbox(pair: tuple[Attached, Attached], public: Host) -> None:
    with served(pair[0].netns) as number, served(public.path) as outside:
        assert from_inside(pair[0], public.address, outside, expected=True)
        assert not netns.inside(public.path, lambda: reaches(pair[0].address, number, expected=False))


def test_another_user_of_the_host_does_not_reach_a_sandbox(pair: tuple[Attached, Attached]) -> None:
    script = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3]))"
    with served(pair[0].netns) as number:
        for user, wait, code in ((0, PATIENCE_S, 0), (12345, 1, 1)):
            command = ["/usr/bin/env", "python3", "-c", script, pair[0].address, str(number), str(wait)]
            ran = subprocess.run(
                command,
                user=user,
                group=user,
                extra_groups=[],
                cwd="/",
                env={"PATH": "/usr/bin:/bin"},
                check=False,
                capture_output=True,
            )
            assert ran.returncode == code, ran.stderr


def send(host: str, number: int, data: bytes, source: str | None = None) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        if source:
            sock.setsockopt(socket.IPPROTO_IP, IP_TRANSPARENT, 1)
            sock.bind((source, 0))
        sock.sendto(data, (host, number))


def test_a_forged_source_address_is_dropped(pair: tuple[Attached, Attached], public: Host) -> None:
    """Forged and honest datagrams take the same way, in order."""
    with netns.inside(public.path, lambda: listening(kind=socket.SOCK_DGRAM)) as server:

        def work() -> None:
            for source in (pair[1].address, "198.51.100.253", "8.8.8.8"):
                send(public.address, port(server), b"forged", source)
            send(public.address, port(server), b"honest")

        netns.inside(pair[0].netns, work)
        assert server.recv(100) == b"honest"


def test_there_is_no_ipv6(pair: tuple[Attached, Attached]) -> None:
    def look() -> str:
        table = Path("/proc/thread-self/net/if_inet6")
        return table.read_text() if table.exists() else ""

    assert netns.inside(pair[0].netns, look) == ""


def test_only_dns_is_answered_at_the_gateway(network: Network, settings: Settings) -> None:
    """Whatever the host's servers say, an answer comes; from the same port a second one too."""
    gateway = str(settings.network[1])
    query = bytes.fromhex("abcd01000001000000000000") + b"\x07example\x00\x00\x01\x00\x01"

    def ask() -> list[bytes]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(PATIENCE_S)
            sock.connect((gateway, 53))
            return [_exchange(sock, query) for _ in range(2)]

    async def work() -> list[bytes]:
        await network.open()
        try:
            sandbox = await network.attach(ONE)
            return await asyncio.to_thread(_visit, sandbox, ask)
        finally:
            await network.close()

    for answer in asyncio.run(work()):
        assert answer[:2] == query[:2]
        assert answer[2] & 0x80


def _exchange(sock: socket.socket, query: bytes) -> bytes:
    sock.send(query)
    return sock.recv(65535)


def _visit(sandbox: Attached, ask: Callable[[], list[bytes]]) -> list[bytes]:
    return netns.inside(sandbox.netns, ask)


ADMITTED = """
import asyncio, subprocess, sys
from oc.host import iptables

async def main():
    await iptables.admit("oc-+")
    before = subprocess.run(["iptables", "-S"], capture_output=True, text=True).stdout
    subprocess.run(["iptables", "-P", "FORWARD", "DROP"], check=True)
    for _ in range(2):
        await iptables.admit("oc-+")
    during = subprocess.run(["iptables", "-S"], capture_output=True, text=True).stdout
    await iptables.withdraw("oc-+")
    after = subprocess.run(["iptables", "-S"], capture_output=True, text=True).stdout
    print(before.count("oc-+"), *(during.count(rule) for rule in ("FORWARD -i oc-+", "FORWARD -o oc-+", "INPUT -i")))
    print(after.count("oc-+"))

asyncio.run(main())
"""


def test_a_classic_firewall_that_drops_by_default_lets_sandboxes_pass() -> None:
    """In a namespace of its own, which has its own tables."""
    if subprocess.run(["unshare", "-n", "iptables", "-S"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this host has no iptables")
    ran = subprocess.run(
        ["unshare", "-n", sys.executable, "-c", ADMITTED],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": ":".join(filter(None, sys.path))},
    )
    assert ran.stdout == "0 1 1 0\n0\n", ran.stderr
