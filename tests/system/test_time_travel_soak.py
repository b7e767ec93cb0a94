"""Random checkpoints, forks, restores and sleep on five sandboxes at once: each is always of the right generation."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from tests.system.leaks import leaks
from tests.system.stack import Stack, wait_for
from tests.system.time_travel import Timeline, restarted_with

WALKS = 5
STEPS = 18
ENOUGH_S = 75.0  # a slow machine makes fewer steps
MOST_CHECKPOINTS = 4

Marks = tuple[str, str]


@pytest.fixture(scope="module")
def stack(fragile: Stack) -> Iterator[Stack]:
    """A sandbox that sleeps is frozen, being stored or stored, as chance will have it."""
    with restarted_with(fragile, freeze_seconds="1"):
        yield fragile


@dataclass(frozen=True)
class Saved:
    id: str
    sandbox: str
    marks: Marks  # of a sandbox made from it


@dataclass
class Walk:
    """A sandbox, all that was saved of it and of its ancestors, and what must be in it now."""

    line: Timeline
    chance: random.Random
    id: str
    marks: Marks = ("", "")
    generation: int = 0
    saved: list[Saved] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def run(self, until: float) -> None:
        for _ in range(STEPS):
            if time.monotonic() > until:
                return
            step = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            self.steps.append(step)
            try:
                getattr(self, step)()
                self.check()
            except AssertionError as error:
                raise AssertionError(f"{self.id} after {' '.join(self.steps)}: {error}") from error

    def check(self) -> None:
        """Half of the time a sleeper is left asleep."""
        if self.line.status(self.id) == "running" or self.chance.random() < 0.5:
            assert self.line.marks(self.id) == self.marks
            assert self.line.status(self.id) == "running"

    def write(self) -> None:
        self.generation += 1
        self.line.mark(self.id, self.generation)
        self.marks = (str(self.generation),) * 2

    def checkpoint(self) -> None:
        """What is written as soon as it is acknowledged is not in it."""
        if len(self.saved) == MOST_CHECKPOINTS:
            self.forget()
        kind = self.chance.choice(["full", "full", "disk_only"])
        self.line.sh(self.id, "true")  # one that sleeps cannot be saved
        made = self.line.begin_checkpoint(self.id, kind=kind)
        self.saved.append(Saved(made["id"], self.id, self.marks if kind == "full" else (self.marks[0], "")))
        self.write()

    def forget(self) -> None:
        saved = self.saved.pop(0)
        self.line.settled(saved.sandbox, saved.id, "ready")
        self.line.call("DELETE", f"/{saved.sandbox}/checkpoints/{saved.id}", 204)

    def restore(self) -> None:
        if own := [saved for saved in self.saved if saved.sandbox == self.id]:
            saved = self.chance.choice(own)
            self.line.settled(saved.sandbox, saved.id, "ready")
            self.line.sh(self.id, "true")
            self.line.restore(self.id, saved.id)
            self.marks = saved.marks

    def fork(self) -> None:
        """Goes on in the copy; the sandbox that it leaves is killed, its checkpoints stay."""
        if self.saved:
            saved = self.chance.choice(self.saved)
            self.line.settled(saved.sandbox, saved.id, "ready")
            left, self.id = self.id, self.line.fork(saved.id)
            self.line.stack.kill(left)
            self.marks = saved.marks

    def hibernate(self) -> None:
        self.line.hibernate(self.id)

    def store(self) -> None:
        self.line.hibernate(self.id)
        self.line.await_released(self.id)

    def wake(self) -> None:
        self.line.wake(self.id)

    def reboot(self) -> None:
        self.line.sh(self.id, "true")
        self.line.call("POST", f"/{self.id}/reboot", 204)
        self.marks = (self.marks[0], "")


WEIGHTS = {"write": 3, "checkpoint": 4, "restore": 3, "fork": 3, "hibernate": 3, "store": 1, "wake": 2, "reboot": 1}


def test_random_walks(stack: Stack) -> None:
    with Timeline(stack) as line:
        walks = [Walk(line, random.Random(seed), line.create()) for seed in range(WALKS)]
        until = time.monotonic() + ENOUGH_S
        with ThreadPoolExecutor(WALKS) as pool:
            running = [pool.submit(walk.run, until) for walk in walks]
        for each in running:
            each.result()
        assert {row["sandboxID"] for row in line.call("GET", "")} == {walk.id for walk in walks}
        assert [line.marks(walk.id) for walk in walks] == [walk.marks for walk in walks]
        wait_for(lambda: leaks(stack, *(walk.id for walk in walks)) == {}, "leaks to be swept")
    wait_for(lambda: leaks(stack) == {}, "leaks to be swept")
