"""Opens many connections, begins to say something on each and goes on very slowly. Runs inside a sandbox.

holder.py HOST PORT COUNT HEX    writes how many it holds to /dev/shm/held, ends when /dev/shm/over is there
"""

from __future__ import annotations

import contextlib
import resource
import socket
import sys
import time
from pathlib import Path


def hold(address: tuple[str, int], words: bytes) -> socket.socket | None:
    peer = socket.socket()
    peer.settimeout(30)
    try:
        peer.connect(address)
        peer.sendall(words)
    except OSError:
        peer.close()
        return None
    return peer


def main(host: str, port: str, count: str, words: str) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    peers = [hold((host, int(port)), bytes.fromhex(words)) for _ in range(int(count))]
    held = [peer for peer in peers if peer is not None]
    Path("/dev/shm/held").write_text(str(len(held)))
    while not Path("/dev/shm/over").exists():
        time.sleep(0.1)
        for peer in held[::50]:
            with contextlib.suppress(OSError):  # it was cut
                peer.sendall(b"x")


if __name__ == "__main__":
    main(*sys.argv[1:])
