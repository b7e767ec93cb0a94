"""Checkpoints, forks, restores and sleep through the API, for the tests: each call waits until its promise is kept."""

from __future__ import annotations

import contextlib
import itertools
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.system.leaks import holdings
from tests.system.stack import Stack, wait_for

FIDELITY = Path(__file__).with_name("fidelity")
DISK_MARK = "/srv/generation"
SETTLE_S = 300.0  # saving and storing gigabytes on a busy machine
MEMORY_MARK = "/dev/shm/generation"  # a tmpfs inside the sandbox: memory that a shell can read


class Timeline:
    """Sandboxes and checkpoints of one test; all that it made is removed at its end."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._sandboxes: list[str] = []
        self._checkpoints: list[tuple[str, str]] = []
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sandbox in self._sandboxes:
            self.call("DELETE", f"/{sandbox}", {204, 404})
        for sandbox, checkpoint in self._checkpoints:
            self.call("DELETE", f"/{sandbox}/checkpoints/{checkpoint}", {204, 404})

    def call(self, method: str, path: str, expected: int | set[int] = 200, key: str | None = None, **body: Any) -> Any:
        """Asks `/api/sandboxes{path}`; returns the answer's JSON, None when it has no body."""
        with self.stack.api(key) as api:
            answer = api.request(method, f"/sandboxes{path}", json=body or None)
        allowed = {expected} if isinstance(expected, int) else expected
        assert answer.status_code in allowed, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    # --- sandboxes

    def create(self, **body: Any) -> str:
        id = self.stack.create(**{"memoryMB": 256} | body)
        self._sandboxes.append(id)
        return id

    def adopt(self, *ids: str) -> None:
        """These are this test's too, to remove at its end."""
        self._sandboxes += ids

    def status(self, id: str) -> str:
        return str(self.call("GET", f"/{id}")["status"])

    def hibernate(self, id: str) -> None:
        assert self.call("POST", f"/{id}/hibernate")["status"] == "hibernated"
        assert self.status(id) == "hibernated"

    def wake(self, id: str) -> None:
        assert self.call("POST", f"/{id}/wake", timeout=0)["status"] == "running"

    def await_status(self, id: str, status: str) -> None:
        wait_for(lambda: self.status(id) == status, f"{id} to be {status}")

    def await_released(self, id: str) -> None:
        """Until nothing of the sandbox is left on the host."""
        wait_for(lambda: not held(self.stack, id), f"{id} to leave the host")

    # --- checkpoints

    def begin_checkpoint(self, id: str, **body: Any) -> dict[str, Any]:
        name = body.pop("name", f"checkpoint-{next(self._numbers)}")
        made: dict[str, Any] = self.call("POST", f"/{id}/checkpoints", 201, name=name, **body)
        self.adopt_checkpoint(id, made["id"])
        return made

    def adopt_checkpoint(self, id: str, checkpoint: str) -> None:
        self._checkpoints.append((id, checkpoint))

    def checkpoint(self, id: str, **body: Any) -> str:
        return str(self.settled(id, self.begin_checkpoint(id, **body)["id"], "ready")["id"])

    def settled(self, id: str, checkpoint: str, *states: str) -> dict[str, Any]:
        """The checkpoint once it is no longer processing, in one of the states."""
        what = f"checkpoint {checkpoint} to settle"
        found: dict[str, Any] = wait_for(lambda: self._settled(id, checkpoint), what, SETTLE_S)
        assert found["status"] in states, found
        return found

    def _settled(self, id: str, checkpoint: str) -> dict[str, Any] | None:
        found = self.find(id, checkpoint)
        assert found is not None, f"checkpoint {checkpoint} is gone"
        return None if found["status"] == "processing" else found

    def find(self, id: str, checkpoint: str) -> dict[str, Any] | None:
        listed: list[dict[str, Any]] = self.call("GET", f"/{id}/checkpoints")
        return next((entry for entry in listed if entry["id"] == checkpoint), None)

    def fork(self, checkpoint: str, **body: Any) -> str:
        made = self.call("POST", f"/from-checkpoint/{checkpoint}", 201, **body)
        assert made["fromCheckpointId"] == checkpoint
        self.adopt(made["sandboxID"])
        return str(made["sandboxID"])

    def forks(self, checkpoint: str, count: int) -> list[str]:
        """All at once."""
        ran = self.stack.oc("checkpoint", "spawn", checkpoint, "--count", str(count), "--json")
        assert ran.code == 0, ran.err
        made = [str(sandbox["sandboxID"]) for sandbox in ran.json()]
        self.adopt(*made)
        assert len(set(made)) == count
        return made

    def restore(self, id: str, checkpoint: str) -> None:
        answer = self.call("POST", f"/{id}/checkpoints/{checkpoint}/restore")
        assert answer == {"sandboxId": id, "checkpointId": checkpoint, "status": "restoring"}

    # --- what is inside

    def sh(self, id: str, script: str) -> str:
        ran = self.stack.sh(id, script)
        assert ran.code == 0, ran.err
        return ran.out

    def mark(self, id: str, generation: int) -> None:
        """In memory and, not synced, on the disk."""
        self.sh(id, f"echo {generation} > {DISK_MARK}; echo {generation} > {MEMORY_MARK}")

    def marks(self, id: str) -> tuple[str, str]:
        """Of the disk and of the memory; empty when there is none."""
        disk, memory = self.sh(id, f"for f in {DISK_MARK} {MEMORY_MARK}; do cat $f 2>/dev/null || echo; done").split(
            "\n"
        )[:2]
        return disk, memory

    def hold(self, id: str, *options: str) -> None:
        """Starts the fidelity program, with a nameless file in `/tmp` too; it answers then."""
        with self.stack.api() as api:
            for source in FIDELITY.glob("*.py"):
                path = {"path": f"/opt/fidelity/{source.name}"}
                answer = api.put(f"/sandboxes/{id}/files", params=path, content=source.read_bytes())
                assert answer.status_code == 204, answer.text
        arguments = ["-m", "fidelity", "hold", "--directory", "/srv/fidelity", "--unlinked", "/tmp", *options]
        self.call("POST", f"/{id}/exec", 201, cmd="python3", args=arguments, cwd="/opt")
        wait_for(lambda: self._ask(id).code == 0, "the fidelity program to answer")

    def ask(self, id: str) -> dict[str, Any]:
        """The fidelity program's report, in which nothing is wrong."""
        ran = self._ask(id)
        assert ran.code == 0, ran.err
        report: dict[str, Any] = ran.json()
        assert report["wrong"] == {}, report
        return report

    def _ask(self, id: str) -> Any:
        return self.stack.sh(id, "cd /opt && exec python3 -m fidelity ask", timeout=300)


def held(stack: Stack, id: str) -> set[str]:
    """What the host holds of one sandbox."""
    return {name for names in holdings(stack).values() for name in names if id in name}


def cpu_time(stack: Stack, id: str) -> str:
    """All the CPU time that a sandbox has had, as its cgroup counts it."""
    for pattern in ("*/{}/*{}*/cpuacct.usage", "{}/*{}*/cpu.stat", "*/{}/*{}*/cpu.stat"):
        found = Path("/sys/fs/cgroup").glob(pattern.format(f"opencomputer-{stack.instance}", id))
        if path := next(iter(sorted(found)), None):
            return path.read_text().splitlines()[0]
    raise AssertionError(f"no cgroup counts the CPU time of {id}")


@contextlib.contextmanager
def restarted_with(stack: Stack, **settings: str) -> Iterator[None]:
    """Other settings for a while; server and worker are started anew, sandboxes run on."""
    former = stack.settings
    try:
        _restart(stack, {**former, **settings})
        yield
    finally:
        _restart(stack, former)


def _restart(stack: Stack, settings: dict[str, str]) -> None:
    stack.stop()
    stack.settings = settings
    stack.serve()


def worker_call(stack: Stack, method: str, path: str, **body: str) -> httpx.Response:
    """Asks the worker over its own socket, which only the server does otherwise."""
    transport = httpx.HTTPTransport(uds=str(stack.run_dir / "worker.sock"))
    with httpx.Client(transport=transport, base_url="http://worker", timeout=120) as worker:
        return worker.request(method, path, json=body or None)


def artifacts(stack: Stack) -> dict[str, dict[str, Any]]:
    """What the worker says of all that it saved, by id."""
    answer = worker_call(stack, "GET", "/artifacts")
    assert answer.status_code == 200, answer.text
    return {artifact["id"]: artifact for artifact in answer.json()}


def unknown() -> str:
    """An id that nothing has."""
    return str(uuid.uuid4())
