"""What the host has left, and whether one more sandbox may start on it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from oc.host import pool
from oc.model.errors import Unavailable
from oc.model.sandbox import Size

MEMORY_RESERVE_MB = 512  # available memory below which the host itself would suffer
HINT = "kill sandboxes that are no longer needed, or try again later"


@dataclass(frozen=True, slots=True)
class Host:
    cpus: int
    memory_mb: int
    memory_available_mb: int  # MemAvailable of proc_meminfo(5)
    pool_free_mb: int


def look(directory: Path) -> Host:
    """`directory` is the pool's."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    kilobytes = {fields[0]: int(fields[1]) for fields in lines}
    return Host(
        cpus=len(os.sched_getaffinity(0)),
        memory_mb=kilobytes["MemTotal:"] >> 10,
        memory_available_mb=kilobytes["MemAvailable:"] >> 10,
        pool_free_mb=pool.free_mb(directory),
    )


def admit(host: Host, size: Size, disk_reserve_mb: int) -> None:
    """Raises Unavailable, with the numbers, when the sandbox does not fit.

    Memory is promised beyond what there is: a sandbox takes what it uses, and most use little of what they may.
    """
    if size.memory_mb > host.memory_mb:
        raise Unavailable(f"a sandbox of {size.memory_mb} MB does not fit on a host of {host.memory_mb} MB")
    if host.memory_available_mb < MEMORY_RESERVE_MB:
        raise Unavailable(
            f"the host is out of memory: {host.memory_available_mb} MB available, {MEMORY_RESERVE_MB} MB must stay",
            hint=HINT,
        )
    if host.pool_free_mb < disk_reserve_mb:
        raise Unavailable(
            f"the host is out of disk space: {host.pool_free_mb} MB free, {disk_reserve_mb} MB must stay", hint=HINT
        )
