"""Requests per second through a preview URL, and straight to the same server in the same sandbox.

`python -m bench.preview` on the host of a running server (`make up`), as root; `--clients 200 --seconds 60` for long.
The client is one process as well, so neither figure is above what one core of asking can do.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvloop

from bench import parts
from bench.server import Server
from bench.table import heading, rate, section, show

PORT = 8000
WARM_S = 1.0
START_S = 30.0  # longest that the server inside may take to listen
DOWNLOAD_MB, DOWNLOADS = 256, 3
PROMISED = "1500/s on one core"


@dataclass
class Count:
    answers: int = 0
    lost: int = 0
    wrong: int = 0
    seconds: list[float] = field(default_factory=list)


class Client(asyncio.Protocol):
    """Asks again as soon as it is answered."""

    def __init__(self, request: bytes, count: Count) -> None:
        self._request = request
        self._count = count
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._ask()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, end, body = self._held.partition(b"\r\n\r\n")
        if not end or len(body) < 1024:
            return
        self._held = b""
        self._count.answers += 1
        self._count.wrong += not head.startswith(b"HTTP/1.1 200 ")
        self._count.seconds.append(time.perf_counter() - self._began)
        self._ask()

    def connection_lost(self, _: Exception | None) -> None:
        self._count.lost += 1


@dataclass(frozen=True)
class Target:
    address: tuple[str, int]
    host: str

    def request(self, path: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n".encode()


async def ask(target: Target, clients: int, seconds: float) -> tuple[Count, float]:
    """What was counted after a warm-up, and for how long."""
    loop = asyncio.get_running_loop()
    count = Count()
    request = target.request("/")
    transports = [
        (await loop.create_connection(lambda: Client(request, count), *target.address))[0] for _ in range(clients)
    ]
    await asyncio.sleep(WARM_S)
    began, before = time.monotonic(), count.answers
    count.seconds.clear()
    await asyncio.sleep(seconds)
    taken, answers = time.monotonic() - began, count.answers - before
    result = Count(answers, count.lost, count.wrong, count.seconds.copy())
    for transport in transports:
        transport.abort()
    return result, taken


async def download(target: Target) -> float:
    """MB/s."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection(*target.address, limit=1 << 20)
    writer.write(target.request(f"/{DOWNLOAD_MB}"))
    await reader.readuntil(b"\r\n\r\n")
    left = DOWNLOAD_MB << 20
    while left:
        data = await reader.read(left)
        assert data, f"{left} bytes are missing"
        left -= len(data)
    writer.close()
    return DOWNLOAD_MB / (time.monotonic() - began)


def measure(what: str, target: Target, clients: int, seconds: float, promised: str = "-") -> None:
    pids = parts.processes()
    before = parts.usage(pids)
    count, taken = uvloop.run(ask(target, clients, seconds))
    after = parts.usage(pids)
    each = sorted(count.seconds)
    middle, worst = statistics.median(each) * 1000, each[int(0.99 * len(each))] * 1000
    show(f"{what}: requests", f"{count.answers / taken:.0f}/s", promised)
    show(f"{what}: time of one, median and 99 %", f"{middle:.1f} ms, {worst:.1f} ms")
    if pids and promised != "-":
        spent = (after.cpu_s - before.cpu_s) / (taken + WARM_S) * taken
        # Not what is promised: the CPU of the sandbox and of the client is not in it.
        show(f"{what}: by second of server's and worker's CPU", f"{count.answers / spent:.0f}")
        show(f"{what}: memory before", before.shown())
        show(f"{what}: memory after", after.shown())
    show(f"{what}: connections lost, wrong answers", f"{count.lost}, {count.wrong}", "0, 0")


def await_server(address: tuple[str, int]) -> None:
    """Raises OSError when nothing listens there in time."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(address, timeout=START_S).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def run(server: Server, id: str, clients: int, seconds: float) -> None:
    server.upload(id, "/root/web.py", Path(__file__).with_name("web.py").read_bytes())
    server.start(id, "python3", "/root/web.py", str(PORT))
    inside = server.run(id, "hostname", "-I").split()[0]
    await_server((inside, PORT))
    public = urlsplit(server.url)
    direct = Target((inside, PORT), inside)
    preview = Target((public.hostname or "", public.port or 80), f"{id}-p{PORT}.localhost")
    section(f"{clients} keep-alive clients for {seconds:g} s")
    measure("direct", direct, clients, seconds)
    measure("preview", preview, clients, seconds, PROMISED)
    section(f"One download of {DOWNLOAD_MB} MB")
    show("direct", rate([uvloop.run(download(direct)) for _ in range(DOWNLOADS)]))
    show("preview", rate([uvloop.run(download(preview)) for _ in range(DOWNLOADS)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=20, help="that ask at once [20]")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement [10]")
    arguments = parser.parse_args()
    server = Server()
    print(f"Server {server.url}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs\n")
    heading()
    id = server.create()
    try:
        run(server, id, arguments.clients, arguments.seconds)
    finally:
        server.kill(id)


if __name__ == "__main__":
    main()
