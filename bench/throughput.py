"""How fast a stream comes out of a sandbox."""

from __future__ import annotations

import subprocess
import time

from websockets.sync.client import connect

from bench.server import Server

MB = 512
BLOCK_KB = 64  # `head` writes 8 KB at a time: that is a figure of the runtime's system calls
WRITER = ("dd", "if=/dev/zero", f"bs={BLOCK_KB}k", f"count={MB * 1024 // BLOCK_KB}", "status=none")
STDOUT = 1  # first byte of a frame of the attach stream


def by_api(server: Server, id: str) -> float:
    """MB/s through an attach WebSocket."""
    started = time.monotonic()
    session = server.start(id, *WRITER)
    url = f"{server.url.replace('http', 'ws', 1)}/api/sandboxes/{id}/exec/{session}"
    received = 0
    with connect(url, additional_headers={"X-API-Key": server.key}, compression=None, max_size=None) as stream:
        for frame in stream:
            if frame and frame[0] == STDOUT:
                received += len(frame) - 1
    assert received == MB << 20, f"{received} bytes came of {MB << 20}"
    return MB / (time.monotonic() - started)


def by_command_line(server: Server, id: str) -> float:
    """MB/s through `oc exec`, its start included."""
    started = time.monotonic()
    server.oc("exec", id, "--", *WRITER, stdout=subprocess.DEVNULL)
    return MB / (time.monotonic() - started)
