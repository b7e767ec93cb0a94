"""Many clients at one preview at once: no error, and memory that does not grow."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.stack import Stack, wait_for

PORT = 8000
CLIENTS, REQUESTS = 200, 30  # keep-alive clients, requests of each
GROWTH_MB = 40
SERVER = f"""
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = self.path.encode() * 16
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512
Server(("127.0.0.1", {PORT}), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def host(stack: Stack) -> Iterator[str]:
    id = stack.create(memoryMB=1024, cpuCount=1)
    assert stack.oc("exec", id, "--detach", "--", "python3", "-c", SERVER).code == 0
    wait_for(lambda: stack.sh(id, f"curl -sf http://127.0.0.1:{PORT}/").code == 0, "the server in the sandbox")
    yield f"{id}-p{PORT}.localhost:{stack.port}"
    stack.kill(id)


async def client(port: int, host: str, number: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for count in range(REQUESTS):
        path = f"/{number}/{count}"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = re.search(rb"content-length: (\d+)", head.lower())
        assert length is not None, head
        assert await reader.readexactly(int(length[1])) == path.encode() * 16
    writer.close()
    await writer.wait_closed()


async def crowd(port: int, host: str) -> None:
    async with asyncio.timeout(300):
        await asyncio.gather(*(client(port, host, number) for number in range(CLIENTS)))


def resident_mb(stack: Stack, part: str) -> float:
    status = Path(f"/proc/{stack.pid(part)}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def test_many_clients_get_what_they_asked_for_in_flat_memory(stack: Stack, host: str) -> None:
    asyncio.run(crowd(stack.port, host))
    before = {part: resident_mb(stack, part) for part in ("server", "worker")}
    for _ in range(2):
        asyncio.run(crowd(stack.port, host))
    after = {part: resident_mb(stack, part) for part in ("server", "worker")}
    assert all(after[part] < before[part] + GROWTH_MB for part in before), (before, after)
