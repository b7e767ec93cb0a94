"""`kill -9` of server and worker in the middle of each thing that saves a sandbox or starts one from what was saved.

Afterwards each sandbox is as its user was told, and disk and memory are of one moment: generation 1 is the
checkpoint's, generation 2 the sandbox's own.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.system.leaks import leaks
from tests.system.stack import Stack, wait_for
from tests.system.time_travel import Timeline, restarted_with

OLD, OWN, LATER = ("1", "1"), ("2", "2"), ("3", "3")
PARTS = [("worker",), ("server", "worker"), ("server",)]
LATEST_S = 1.2  # a crash comes at any moment from the request until then


@pytest.fixture(scope="module")
def stack(fragile: Stack) -> Iterator[Stack]:
    """Here sandboxes that sleep are stored almost at once."""
    with restarted_with(fragile, freeze_seconds="1"):
        yield fragile


@dataclass(frozen=True)
class Scene:
    line: Timeline
    id: str
    checkpoint: str


class Request:
    """One API call that may lose its server; `told` is the answer's body when there was a good one."""

    def __init__(self, line: Timeline, method: str, path: str, body: dict[str, Any] | None) -> None:
        self.told: Any = None
        self.acknowledged = False
        with line.stack.api() as api:
            try:
                answer = api.request(method, f"/sandboxes{path}", json=body)
            except httpx.TransportError:  # the server was killed: nobody was told anything
                return
        self.acknowledged = answer.is_success
        if answer.is_success and answer.content:
            self.told = answer.json()


def settle(line: Timeline) -> list[str]:
    """Ids of all living sandboxes, once none is pending."""
    wait_for(lambda: not line.call("GET", "?status=pending"), "pending sandboxes to be settled")
    return [row["sandboxID"] for row in line.call("GET", "")]


def checkpointed(scene: Scene, request: Request) -> None:
    """One that was acknowledged is there, and if it is ready it holds what was written before and not what after.

    One that nobody was told of may be whole, and of either moment.
    """
    line, id = scene.line, scene.id
    line.mark(id, 3)
    allowed = {OWN} if request.acknowledged else {OWN, LATER}
    found = {entry["id"] for entry in line.call("GET", f"/{id}/checkpoints")} - {scene.checkpoint}
    assert not request.acknowledged or found == {request.told["id"]}
    for checkpoint in found:
        line.adopt_checkpoint(id, checkpoint)
        if (settled := line.settled(id, checkpoint, "ready", "failed"))["status"] == "ready":
            assert as_saved(line.marks(line.fork(checkpoint)), settled["kind"]) in allowed
    assert line.marks(id) == LATER


def as_saved(marks: tuple[str, str], kind: str) -> tuple[str, str]:
    """What was in the sandbox, by what is in its fork: a disk alone has no memory."""
    disk, memory = marks
    if kind == "full":
        return disk, memory
    assert not memory
    return disk, disk


def forked(scene: Scene, request: Request) -> None:
    """Those that anyone was told of run, and so does whatever else was made."""
    made = set(settle(scene.line)) - {scene.id}
    scene.line.adopt(*made)
    told = request.told if isinstance(request.told, list) else [request.told] if request.told else []
    assert {sandbox["sandboxID"] for sandbox in told} <= made
    assert [scene.line.marks(id) for id in made] == [OLD] * len(made)
    assert scene.line.marks(scene.id) == OWN


def restored(scene: Scene, request: Request) -> None:
    """It is restored, or as it was before the call; never half of either."""
    assert scene.line.status(scene.id) == "running"
    assert scene.line.marks(scene.id) in {OLD, OWN}


def sleeping(scene: Scene, request: Request) -> None:
    allowed = {"hibernated"} if request.acknowledged else {"hibernated", "running"}
    assert scene.line.status(scene.id) in allowed
    assert scene.line.marks(scene.id) == OWN


def awake(scene: Scene, request: Request) -> None:
    allowed = {"running"} if request.acknowledged else {"hibernated", "running"}
    assert scene.line.status(scene.id) in allowed
    assert scene.line.marks(scene.id) == OWN


def booted(scene: Scene, request: Request) -> None:
    allowed = {("2", "")} if request.acknowledged else {("2", ""), OWN}
    assert scene.line.marks(scene.id) in allowed


def deleted(scene: Scene, request: Request) -> None:
    there = scene.line.find(scene.id, scene.checkpoint)
    assert not (request.acknowledged and there)
    if there:
        assert scene.line.marks(scene.line.fork(scene.checkpoint)) == OLD
    assert scene.line.marks(scene.id) == OWN


def asleep(scene: Scene) -> None:
    scene.line.hibernate(scene.id)


def stored(scene: Scene) -> None:
    scene.line.hibernate(scene.id)
    scene.line.await_released(scene.id)


def nothing(scene: Scene) -> None:
    """It runs."""


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    holds: Callable[[Scene, Request], None]
    body: dict[str, Any] | None = None
    first: Callable[[Scene], None] = nothing


OPERATIONS = {
    "checkpoint": Operation("POST", "/{id}/checkpoints", checkpointed, {"name": "cut short"}),
    "disk checkpoint": Operation("POST", "/{id}/checkpoints", checkpointed, {"name": "cut", "kind": "disk_only"}),
    "fork": Operation("POST", "/from-checkpoint/{checkpoint}", forked, {}),
    "forks": Operation("POST", "/from-checkpoint/{checkpoint}", forked, {"count": 3}),
    "restore": Operation("POST", "/{id}/checkpoints/{checkpoint}/restore", restored),
    "hibernate": Operation("POST", "/{id}/hibernate", sleeping),
    "thaw": Operation("POST", "/{id}/wake", awake, {}, first=asleep),
    "wake": Operation("POST", "/{id}/wake", awake, {}, first=stored),
    "reboot": Operation("POST", "/{id}/reboot", booted),
    "delete": Operation("DELETE", "/{id}/checkpoints/{checkpoint}", deleted),
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", OPERATIONS)
def test_killed_in_the_middle_of(stack: Stack, name: str, seed: int) -> None:
    operation, chance = OPERATIONS[name], random.Random(f"{name} {seed}")
    with Timeline(stack) as line:
        id = line.create()
        line.mark(id, 1)
        scene = Scene(line, id, line.checkpoint(id))
        line.mark(id, 2)
        operation.first(scene)
        path = operation.path.format(id=id, checkpoint=scene.checkpoint)
        with ThreadPoolExecutor(1) as pool:
            request = pool.submit(Request, line, operation.method, path, operation.body)
            time.sleep(chance.uniform(0, LATEST_S))
            stack.crash(*PARTS[0 if seed == 0 else chance.randrange(3)])
            operation.holds(scene, request.result())
        settle(line)
    wait_for(lambda: leaks(stack) == {}, "leaks to be swept")


def test_sleepers_outlive_the_whole_service(stack: Stack) -> None:
    """One is stored; one may be on its way to the store."""
    with Timeline(stack) as line:
        ids = [line.create() for _ in range(2)]
        for id in ids:
            line.mark(id, 2)
            line.hibernate(id)
        line.await_released(ids[0])
        kill_all(stack)
        assert [line.status(id) for id in ids] == ["hibernated"] * 2
        assert [line.marks(id) for id in ids] == [OWN] * 2
    wait_for(lambda: leaks(stack) == {}, "leaks to be swept")


def kill_all(stack: Stack) -> None:
    assert stack.process is not None
    for pid in (stack.process.pid, stack.pid("server"), stack.pid("worker")):
        os.kill(pid, signal.SIGKILL)
    stack.process.wait()
    stack.serve()
