"""The two processes of the running service, as /proc shows them; only its own host can tell, to root."""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from oc.settings import load

TICKS_S = os.sysconf("SC_CLK_TCK")
CREDENTIALS = struct.Struct("3i")  # pid, uid, gid (unix(7), SO_PEERCRED)


@dataclass(frozen=True)
class Usage:
    cpu_s: float
    memory: dict[str, int]  # bytes, by process

    def shown(self) -> str:
        return ", ".join(f"{name} {size / (1 << 20):.1f}" for name, size in self.memory.items()) + " MB"


def processes() -> dict[str, int]:
    """Process ids: the worker is who listens on its socket, the server is its sibling. Empty where that is not ours."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(load().worker_socket))
        except OSError:
            return {}
        credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    worker = CREDENTIALS.unpack(credentials)[0]
    parent = _stat(worker)[1]
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    server = next(int(pid) for pid in children if b"server" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"))
    return {"worker": worker, "server": server}


def usage(pids: dict[str, int]) -> Usage:
    fields = {name: _stat(pid) for name, pid in pids.items()}
    cpu = sum(int(field[11]) + int(field[12]) for field in fields.values()) / TICKS_S
    return Usage(cpu, {name: int(field[21]) * os.sysconf("SC_PAGE_SIZE") for name, field in fields.items()})


def _stat(pid: int) -> list[str]:
    """From the state on: proc_pid_stat(5), field 3."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
