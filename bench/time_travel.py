"""Figures of checkpoints, forks, restores, hibernation and waking.

The server must store what it froze soon (`make up SETTINGS="--freeze-seconds 3"`), or what is stored is not measured.
The worker's own word on pauses and stored bytes is had by root on the server's host, with its settings (`OC_RUN_DIR`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from bench import inside
from bench.host import Artifacts
from bench.server import LOOK_EVERY_S, Server
from bench.table import duration, megabytes, section, show
from bench.timing import seconds, several

TIMES = 5
FORKS = 10
PROGRAM = "/opt/bench_inside.py"
CHANGE = ("sh", "-c", "head -c 1M /dev/urandom > /srv/change; sync")
FILES = ("sh", "-c", "for n in $(seq 16); do head -c 256M /dev/urandom > /srv/$n; done; sync")
FILES_DISK_MB = 20480
SOON_S = 15.0  # within which a frozen sandbox has to be on its way to the blob store
NOT_ROOT = "only root on the host sees it"


@dataclass(frozen=True)
class Used:
    """Memory in use, in a sandbox of a size, and what is promised for it."""

    used_mb: int
    memory_mb: int
    pause: str
    fork: str = "-"


USES = (Used(64, 256, "<= 250 ms", "<= 400 ms"), Used(512, 1024, "<= 500 ms"))


@dataclass
class Saved:
    """What was seen of several checkpoints, in seconds and bytes; the worker's word may be missing."""

    ids: list[str] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    paused: list[float] = field(default_factory=list)
    stored: list[float] = field(default_factory=list)


class TimeTravel:
    def __init__(self, server: Server) -> None:
        self.server = server
        self.artifacts = Artifacts()

    def run(self) -> None:
        for use in USES:
            section(f"Time travel with {use.used_mb} MB of random bytes in memory")
            self.with_memory(use)
        section("Checkpoints of a sandbox with 4 GB of random files")
        self.with_files()

    def with_memory(self, use: Used) -> None:
        id = self.holding(use)
        made = Saved()
        try:
            self.saves(id, use, made)
            self.forks(made.ids[-1], use)
            self.restores(id, made.ids[-1])
            self.frozen(id)
            self.stored(id)
        finally:
            self.remove(id, made)

    def holding(self, use: Used) -> str:
        id = self.server.create(memoryMB=use.memory_mb)
        self.server.upload(id, PROGRAM, Path(inside.__file__).read_bytes())
        self.server.start(id, "python3", PROGRAM, "hold", str(use.used_mb))
        self.server.run(id, "sh", "-c", f"until test -e {inside.HELD}; do sleep 0.1; done")
        return id

    def remove(self, id: str, made: Saved) -> None:
        for checkpoint in made.ids:
            self.server.delete_checkpoint(id, checkpoint)
        self.server.kill(id)

    # --- checkpoints ---

    def saves(self, id: str, use: Used, made: Saved) -> None:
        first = Saved(made.ids)
        self.save(id, first)
        ticking = self.server.start(id, "python3", PROGRAM, "tick")
        for _ in range(TIMES):
            self.server.run(id, *CHANGE)
            self.gap(id)
            self.save(id, made)
            made.gaps.append(self.gap(id))
        self.server.end(id, ticking)
        show("checkpoint: paused, says the worker", maybe(made.paused, duration), use.pause)
        show("checkpoint: longest gap of a ticking process", duration(made.gaps), use.pause)
        show("checkpoint: until it is listed as ready", duration(made.totals))
        show("bytes stored, first checkpoint", maybe(first.stored, megabytes))
        show("bytes stored, next checkpoints (1 MB changed)", maybe(made.stored, megabytes), "what changed")

    def save(self, id: str, made: Saved) -> None:
        started = time.monotonic()
        checkpoint = self.server.checkpoint(id)
        made.ids.append(checkpoint)
        self.server.await_ready(id, checkpoint)
        made.totals.append(time.monotonic() - started)
        if artifact := self.artifacts.find(checkpoint):
            made.paused.append(artifact.paused_ms / 1000)
            made.stored.append(artifact.stored_bytes)

    def gap(self, id: str) -> float:
        """The longest since it was last asked for, in seconds."""
        gaps = self.server.run(id, "sh", "-c", f"cat {inside.GAPS}; : > {inside.GAPS}").split()
        return max(map(float, gaps), default=0.0)

    # --- forks and restores ---

    def forks(self, checkpoint: str, use: Used) -> None:
        show("fork to first exec answered", duration(self.fork_times(checkpoint, 1)), use.fork)
        show(f"{FORKS} forks at once, all answered an exec", duration(self.fork_times(checkpoint, FORKS)))

    def fork_times(self, checkpoint: str, count: int) -> list[float]:
        samples = []
        for _ in range(TIMES):
            started = time.monotonic()
            ids = self.server.fork(checkpoint, count)
            with ThreadPoolExecutor(count) as threads:
                list(threads.map(self.touch, ids))
            samples.append(time.monotonic() - started)
            self.server.kill(*ids)
        return samples

    def restores(self, id: str, checkpoint: str) -> None:
        def restore() -> None:
            self.server.restore(id, checkpoint)
            self.touch(id)

        show("restore in place to first exec answered", duration(several(restore, TIMES)))

    def touch(self, id: str) -> None:
        self.server.run(id, "true")

    # --- hibernation ---

    def frozen(self, id: str) -> None:
        hibernated, awake = [], []
        for _ in range(TIMES):
            hibernated.append(seconds(lambda: self.server.hibernate(id)))
            awake.append(seconds(lambda: self.touch(id)))
        show("hibernate (frozen)", duration(hibernated))
        show("wake to exec answered (frozen)", duration(awake), "<= 700 ms")

    def stored(self, id: str) -> None:
        stored, awake = [], []
        for _ in range(TIMES):
            if not self.leaves(id, self.server.hibernate(id)["hibernationKey"]):
                show("hibernate (stored)", "-", "freeze_seconds must be <= 10")
                return
            stored.append(seconds(lambda: self.await_stored(id)))
            awake.append(seconds(lambda: self.touch(id)))
        show("hibernate (stored): saved, packed, in the blob store", duration(stored))
        show("wake to exec answered (stored; artifact on host)", duration(awake), "<= 700 ms")

    def leaves(self, id: str, former: str | None) -> bool:
        """Waits until it is on its way to the blob store, under another key than before; false when it stays."""
        deadline = time.monotonic() + SOON_S
        while self.server.hibernate(id)["hibernationKey"] == former:
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_EVERY_S)
        return True

    def await_stored(self, id: str) -> None:
        """The server looks once in a second."""
        while not self.server.hibernate(id)["sizeBytes"]:
            time.sleep(LOOK_EVERY_S)

    # --- files ---

    def with_files(self) -> None:
        id = self.server.create(diskMB=FILES_DISK_MB)
        first, later = Saved(), Saved()
        try:
            self.server.run(id, *FILES)
            self.save(id, first)
            for _ in range(TIMES):
                self.server.run(id, *CHANGE)
                self.save(id, later)
            self.show_files("first checkpoint", first, "-")
            self.show_files("next checkpoints (1 MB changed)", later, "what changed")
        finally:
            self.remove(id, Saved(first.ids + later.ids))

    def show_files(self, which: str, made: Saved, promised: str) -> None:
        show(f"{which}: paused, says the worker", maybe(made.paused, duration))
        show(f"{which}: until it is ready", duration(made.totals), promised)
        show(f"{which}: bytes stored", maybe(made.stored, megabytes), promised)


def maybe(samples: list[float], words: Callable[[list[float]], str]) -> str:
    return words(samples) if samples else NOT_ROOT
