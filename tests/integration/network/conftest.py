"""A network of our own, and stand-ins made of namespaces: a thread that visits one opens sockets there."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from oc.host import link, netns
from oc.settings import Settings
from oc.worker.network import Network

if os.geteuid() != 0:
    pytest.skip("network namespaces need root", allow_module_level=True)

PATIENCE_S = 60
OWN = os.getpid() % 250  # of this test run, beside others on the machine


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(instance=f"n{OWN:03d}", network=IPv4Network(f"10.250.{OWN}.0/24"), run_dir=tmp_path)


@pytest.fixture
def network(settings: Settings) -> Iterator[Network]:
    """Open, and gone without a trace at the end."""
    network = Network(settings)

    async def end() -> None:
        await network.clear()
        assert await network.present() == set()

    try:
        yield network
    finally:
        asyncio.run(end())
        assert link.aliases(f"{settings.instance}-") == {}


@dataclass(frozen=True)
class Host:
    """A machine beside this one, at the other end of a cable."""

    path: Path
    address: str


def _neighbour(kind: str, network: str) -> Iterator[Host]:
    name = f"x{kind}{OWN:03d}"
    gateway, address = (str(IPv4Network(network)[n]) for n in (1, 2))
    path = netns.create(name)
    try:
        link.connect(link.Cable(name, name, path, gateway, address, 30, 1500))
        yield Host(path, address)
    finally:
        link.disconnect(name)
        netns.remove(name)


@pytest.fixture
def private() -> Iterator[Host]:
    """On an address of the local network."""
    yield from _neighbour("p", f"192.168.{OWN}.0/30")


@pytest.fixture
def public() -> Iterator[Host]:
    """On an address that is not private: the outside (RFC 5737: TEST-NET-2)."""
    yield from _neighbour("q", f"198.51.100.{OWN // 2 * 2 % 63 * 4}/30")


def listening(host: str = "0.0.0.0", kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """Connections are completed by the kernel, without anybody who accepts them."""
    sock = socket.socket(socket.AF_INET, kind)
    sock.settimeout(PATIENCE_S)
    sock.bind((host, 0))
    if kind == socket.SOCK_STREAM:
        sock.listen(64)
    return sock


def port(sock: socket.socket) -> int:
    number = sock.getsockname()[1]
    assert isinstance(number, int)
    return number


def reaches(host: str, number: int, *, expected: bool) -> bool:
    """Whether a connection is made; a short wait is enough to see that none is."""
    try:
        with socket.create_connection((host, number), PATIENCE_S if expected else 1):
            return True
    except (TimeoutError, OSError):
        return False
