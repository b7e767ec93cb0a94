"""What only the server's own host can tell, to root: what its worker saved, what its sandboxes weigh."""

from __future__ import annotations

import re
import statistics
from pathlib import Path

import httpx
import msgspec

from oc.model.artifact import Artifact
from oc.settings import load

CGROUPS = Path("/sys/fs/cgroup")
USAGE = {"memory.usage_in_bytes": "memory/", "memory.current": ""}  # by version: of the hierarchy, under its mount


class Artifacts:
    """Asks the worker over the socket in `run_dir` of the settings, as the server does."""

    def __init__(self) -> None:
        self._socket = load().worker_socket

    def find(self, id: str) -> Artifact | None:
        """None where there is no such socket, or none that we may open."""
        transport = httpx.HTTPTransport(uds=str(self._socket))
        with httpx.Client(transport=transport, base_url="http://worker", timeout=60) as worker:
            try:
                answer = worker.get("/artifacts")
            except httpx.ConnectError:
                return None
        answer.raise_for_status()
        all = msgspec.json.decode(answer.content, type=list[Artifact])
        return next((artifact for artifact in all if artifact.id == id), None)


def available() -> int:
    """Bytes that the kernel could give to new programs (proc(5), MemAvailable)."""
    found = re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())
    assert found is not None
    return int(found[1]) << 10


def weight(ids: list[str]) -> float | None:
    """Median bytes of memory charged to the groups of these sandboxes, without pages of files that can be dropped.

    None where no control group is named after them.
    """
    groups = [group for id in ids if (group := _group(id))]
    return statistics.median(map(_charged, groups)) if groups else None


def _group(id: str) -> Path | None:
    """The file that says how much memory a sandbox's group uses."""
    found = (path for name, under in USAGE.items() for path in CGROUPS.glob(f"{under}opencomputer-*/{id}/{name}"))
    return next(found, None)


def _charged(usage: Path) -> int:
    lines = usage.with_name("memory.stat").read_text().splitlines()
    counts = {name: int(value) for name, value in (line.split() for line in lines)}
    cached = ("total_active_file", "total_inactive_file") if "total_rss" in counts else ("active_file", "inactive_file")
    return int(usage.read_text()) - sum(counts[name] for name in cached)
