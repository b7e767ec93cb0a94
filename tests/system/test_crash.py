"""`kill -9` of the server, of the worker and of both: what ran is adopted, the half-made is gone, no output is lost."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import threading
import time

import httpx
import pytest

from tests.system.leaks import leaks
from tests.system.stack import OC, Stack, wait_for

COUNT = "i=0; while [ $i -lt 4000 ]; do i=$((i+1)); echo line $i; done"
PARTS = [("server",), ("worker",), ("server", "worker")]


@pytest.mark.parametrize("parts", PARTS, ids="+".join)
def test_stream_goes_on_where_it_was(fragile: Stack, parts: tuple[str, ...]) -> None:
    id = fragile.create()
    script = f"{COUNT}; sleep 2; {COUNT}"
    argv = [OC, "exec", id, "--", "sh", "-c", script]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=fragile.user_environment()) as oc:
        assert oc.stdout is not None
        first = oc.stdout.readline()
        fragile.crash(*parts)
        lines = [first, *oc.stdout.read().splitlines(keepends=True)]
    assert oc.returncode == 0
    assert lines == [b"line %d\n" % number for number in range(1, 4001)] * 2
    fragile.kill(id)
    assert leaks(fragile) == {}


@pytest.mark.parametrize("parts", PARTS, ids="+".join)
def test_sandboxes_and_their_processes_are_adopted(fragile: Stack, parts: tuple[str, ...]) -> None:
    ids = [fragile.create(memoryMB=256) for _ in range(3)]
    fragile.sh(ids[0], "nohup sh -c 'while true; do date > /tmp/alive; sleep 0.1; done' >/dev/null 2>&1 &")
    fragile.crash(*parts)
    for id in ids:
        assert fragile.sh(id, "hostname").out == f"{id}\n"
    before = fragile.sh(ids[0], "cat /tmp/alive").out
    wait_for(lambda: fragile.sh(ids[0], "cat /tmp/alive").out != before, "the background process to go on")
    assert leaks(fragile, *ids) == {}
    fragile.kill(*ids)
    assert leaks(fragile) == {}


class Churn(threading.Thread):
    """A client that creates and kills while the server dies under it; `told` are the ids that it was given."""

    def __init__(self, stack: Stack, seed: int) -> None:
        super().__init__()
        self.stack, self.chance, self.told = stack, random.Random(seed), list[str]()

    def run(self) -> None:
        with self.stack.api() as api:
            for _ in range(3):
                with contextlib.suppress(httpx.TransportError):  # the server is killed: that is the test
                    self.step(api)

    def step(self, api: httpx.Client) -> None:
        made = api.post("/sandboxes", json={"memoryMB": 256}, timeout=60)
        if made.status_code == 201:
            self.told.append(made.json()["sandboxID"])
            if self.chance.random() < 0.5:
                api.delete(f"/sandboxes/{self.told[-1]}", timeout=60)


@pytest.mark.parametrize("seed", range(6))
def test_killed_in_the_middle_of_creates_and_kills(fragile: Stack, seed: int) -> None:
    """Afterwards each id runs and answers, or is stopped and nothing is left of it."""
    clients = [Churn(fragile, 10 * seed + number) for number in range(3)]
    for client in clients:
        client.start()
    time.sleep(random.Random(seed).uniform(0.1, 1.5))
    fragile.crash(*PARTS[seed % 3])
    for client in clients:
        client.join()
    with fragile.api() as api:
        wait_for(lambda: not api.get("/sandboxes?status=pending").json(), "pending sandboxes to be settled")
        running = [row["sandboxID"] for row in api.get("/sandboxes").json()]
        told = [api.get(f"/sandboxes/{id}").json()["status"] for client in clients for id in client.told]
    assert set(told) <= {"running", "stopped"}
    for id in running:
        assert fragile.sh(id, "hostname").out == f"{id}\n"
    wait_for(lambda: leaks(fragile, *running) == {}, "leaks to be swept")
    fragile.kill(*running)
    assert leaks(fragile) == {}


def test_whole_service_killed_and_started_again(fragile: Stack) -> None:
    id = fragile.create()
    assert fragile.process is not None
    victims = [fragile.process.pid, fragile.pid("server"), fragile.pid("worker")]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    fragile.process.wait()
    fragile.serve()
    assert fragile.sh(id, "hostname").out == f"{id}\n"
    fragile.kill(id)


def test_worker_that_is_away_is_said_so(fragile: Stack) -> None:
    id = fragile.create()
    socket = fragile.run_dir / "worker.sock"
    hidden = socket.with_suffix(".hidden")
    socket.rename(hidden)
    try:
        with fragile.api() as api:
            assert api.get("/sandboxes").status_code == 200
            answer = api.post("/sandboxes", json={})
        assert (answer.status_code, answer.json()["code"]) == (503, "worker_unavailable")
        assert fragile.oc("create").code == 5
    finally:
        hidden.rename(socket)
    fragile.kill(id)
    wait_for(lambda: leaks(fragile) == {}, "nothing to be left of the refused one")


def test_down_leaves_nothing_but_the_data_directory(fragile: Stack) -> None:
    fragile.create()
    fragile.stop()
    ran = fragile.host("down")
    assert ran.code == 0, ran.err
    assert {kind: found for kind, found in leaks(fragile).items() if kind not in {"disks", "journals"}} == {}
    assert not fragile.run_dir.exists()
    fragile.serve()
