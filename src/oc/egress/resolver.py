"""Names to addresses, asked by the proxy itself at the moment it connects."""

from __future__ import annotations

import asyncio
import socket
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from oc.egress import limits
from oc.egress.names import Address, normal, numeric
from oc.egress.stored import Stored

Table = dict[str, list[Address]]
THREADS = 64  # getaddrinfo(3) blocks; eight sandboxes may fill them with names that nobody answers


class Resolver:
    def __init__(self, hosts: Path | None) -> None:
        self.hosts = hosts
        self.files = Stored(parse)
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="resolve")
        self.turns: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(limits.LOOKUPS))

    async def addresses(self, source: str, name: str) -> list[Address]:
        """IPv4 before IPv6; empty if there are none. `source` is the sandbox: one waits for its own lookups only."""
        listed = self.files.get(self.hosts) if self.hosts else None
        if listed and name in listed:
            return listed[name]
        async with asyncio.timeout(limits.RESOLVE_SECONDS), self.turns[source]:
            return await asyncio.get_running_loop().run_in_executor(self.threads, look_up, name)

    def close(self) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)


def look_up(name: str) -> list[Address]:
    """Blocks. The final dot: no search domain of this host is tried."""
    try:
        found = socket.getaddrinfo(f"{name}.", None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return sorted({numeric(str(item[4][0])) for item in found}, key=lambda address: (address.version, int(address)))


def parse(data: bytes) -> Table:
    """hosts(5)."""
    table: Table = {}
    for line in data.decode().splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        for name in names:
            table.setdefault(str(normal(name)), []).append(numeric(address))
    return table
