"""Names to addresses, asked by the proxy itself at the moment it connects."""

from __future__ import annotations

import asyncio
import socket
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from oc.egress import limits
from oc.egress.names import Address, normal, numeric
from oc.egress.stored import Stored

if TYPE_CHECKING:
    from mitmproxy_rs.dns import DnsResolver

Table = dict[str, list[Address]]
THREADS = 64  # getaddrinfo(3) blocks; eight sandboxes may fill them with names that nobody answers


class Resolver:
    def __init__(self, hosts: Path | None, servers: DnsResolver | None = None) -> None:
        """`servers`: whom to ask; None: the host's own ways to find names."""
        self.hosts = hosts
        self.servers = servers
        self.files = Stored(parse)
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="resolve")
        self.turns: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(limits.LOOKUPS))

    async def addresses(self, source: str, name: str) -> list[Address]:
        """IPv4 before IPv6; empty if there are none. `source` is the sandbox: one waits for its own lookups only."""
        listed = self.files.get(self.hosts) if self.hosts else None
        if listed and name in listed:
            return listed[name]
        async with asyncio.timeout(limits.RESOLVE_SECONDS), self.turns[source]:
            if self.servers is not None:
                return await ask(self.servers, name)
            return await asyncio.get_running_loop().run_in_executor(self.threads, look_up, name)

    def close(self) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)


async def ask(servers: DnsResolver, name: str) -> list[Address]:
    try:
        found = await servers.lookup_ip(f"{name}.")
    except (OSError, ValueError):
        return []
    return in_order(found)


def look_up(name: str) -> list[Address]:
    """Blocks. The final dot: no search domain of this host is tried."""
    try:
        found = socket.getaddrinfo(f"{name}.", None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return in_order([str(item[4][0]) for item in found])


def in_order(texts: Sequence[str]) -> list[Address]:
    return sorted({numeric(text) for text in texts}, key=lambda address: (address.version, int(address)))


def parse(data: bytes) -> Table:
    """hosts(5)."""
    table: Table = {}
    for line in data.decode().splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        for name in names:
            table.setdefault(str(normal(name)), []).append(numeric(address))
    return table
