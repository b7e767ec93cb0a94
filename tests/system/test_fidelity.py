"""One of every kind of thing that a program can hold is right after a fork, a restore and sleep: the real runtime."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.system.stack import Stack, execute, wait_for
from tests.system.time_travel import Timeline, artifacts, cpu_time, held, restarted_with, unknown, worker_call

FORKS = 10
CLOCK_SLACK_S = 5.0
MB = 1 << 20
NAMELESS = re.compile("unlinked|deleted|no name|nameless")


@pytest.fixture(scope="module")
def line(stack: Stack) -> Iterator[Timeline]:
    with Timeline(stack) as line:
        yield line


@pytest.fixture(scope="module")
def storing(stack: Stack) -> Iterator[None]:
    """From here on, sandboxes that sleep are stored almost at once; for the last tests of this module."""
    with restarted_with(stack, freeze_seconds="1"):
        yield


@pytest.fixture(scope="module")
def original(line: Timeline) -> str:
    """Runs the program with 200 MB of known memory."""
    id = line.create(memoryMB=512)
    line.hold(id)
    return id


@pytest.fixture(scope="module")
def before(line: Timeline, original: str) -> dict[str, Any]:
    """What the program said last before its checkpoint."""
    return line.ask(original)


@pytest.fixture(scope="module")
def checkpoint(line: Timeline, original: str, before: dict[str, Any]) -> str:
    return line.checkpoint(original)


@pytest.fixture(scope="module")
def forks(line: Timeline, checkpoint: str) -> list[str]:
    return line.forks(checkpoint, FORKS)


@pytest.fixture(scope="module")
def reports(line: Timeline, forks: list[str]) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(FORKS) as pool:
        return list(pool.map(line.ask, forks))


def continues(report: dict[str, Any], before: dict[str, Any]) -> bool:
    """The program is the one that gave the former report, and was asked by nobody since."""
    return is_of(report, before) and report["asked"] == before["asked"] + 1


def is_of(report: dict[str, Any], before: dict[str, Any]) -> bool:
    """The program is the one that gave the former report."""
    same = all(report[key] == before[key] for key in ("pid", "right"))
    return same and bool(report["counter"] >= before["counter"] and report["asked"] > before["asked"])


def test_ten_forks_at_once_go_on_where_the_checkpoint_stood(
    reports: list[dict[str, Any]], before: dict[str, Any]
) -> None:
    assert [report for report in reports if not continues(report, before)] == []


def test_forks_have_names_of_their_own(reports: list[dict[str, Any]], forks: list[str]) -> None:
    assert [report["hostname"] for report in reports] == forks


@pytest.mark.parametrize("source", ["getrandom", "uuid4"])
def test_forks_draw_different_random_numbers(reports: list[dict[str, Any]], source: str) -> None:
    assert len({report[source] for report in reports}) == FORKS


def test_programs_started_in_forks_draw_different_random_numbers(line: Timeline, forks: list[str]) -> None:
    script = "python3 -c 'import random, uuid; print(random.random(), uuid.uuid4())'"
    assert len({line.sh(id, script) for id in forks[:3]}) == 3


def test_original_goes_on_undisturbed(
    line: Timeline, original: str, before: dict[str, Any], reports: list[dict[str, Any]]
) -> None:
    assert is_of(line.ask(original), before)


def test_clock_of_a_fork_is_right(line: Timeline, forks: list[str]) -> None:
    earliest = time.time()
    told = line.ask(forks[0])["time"]
    assert earliest - CLOCK_SLACK_S <= told <= time.time() + CLOCK_SLACK_S


def test_server_in_a_fork_is_reached_by_programs_inside(line: Timeline, forks: list[str]) -> None:
    ran = line.stack.sh(forks[0], "curl -sf http://127.0.0.1:8000/check", timeout=300)
    assert ran.code == 0, ran.err
    assert ran.json()["wrong"] == {}


def test_second_checkpoint_of_nearly_the_same_state_stores_little(line: Timeline) -> None:
    """200 MB of memory that does not compress are stored once."""
    id = line.create(memoryMB=512)
    line.hold(id)
    line.checkpoint(id)
    line.ask(id)
    former = set(artifacts(line.stack))
    line.checkpoint(id)
    (second,) = (artifact for name, artifact in artifacts(line.stack).items() if name not in former)
    assert second["plain_bytes"] > 200 * MB
    assert second["stored_bytes"] < 40 * MB


def test_restored_in_place(line: Timeline, original: str, checkpoint: str, before: dict[str, Any]) -> None:
    line.ask(original)
    line.restore(original, checkpoint)
    report = line.ask(original)
    assert continues(report, before)
    assert report["hostname"] == original


def test_fork_of_a_fork(line: Timeline, forks: list[str]) -> None:
    parent = line.ask(forks[1])
    child = line.ask(line.fork(line.checkpoint(forks[1])))
    assert continues(child, parent)


def test_frozen_and_woken(line: Timeline, original: str) -> None:
    before = line.ask(original)
    line.hibernate(original)
    assert held(line.stack, original) != set()
    line.wake(original)
    assert continues(line.ask(original), before)


def test_frozen_sandbox_takes_no_cpu_time(line: Timeline, original: str) -> None:
    """The program has a timer, so that a sandbox which is not frozen is never still for long."""
    line.ask(original)
    line.hibernate(original)
    former = [""]

    def stands_still() -> bool:
        former.append(cpu_time(line.stack, original))
        time.sleep(1)
        return cpu_time(line.stack, original) == former[-1]

    wait_for(stands_still, "the CPU time of a frozen sandbox to stand still")
    line.wake(original)
    line.ask(original)


def test_file_without_a_name_on_the_disk_is_refused_or_kept(line: Timeline) -> None:
    """gVisor cannot save it when the root is a plain disk: then the error says so and the sandbox runs on."""
    id = line.create()
    line.hold(id, "--memory-mb", "5", "--unlinked", "/srv")
    before = line.ask(id)
    error = checkpoint_error(line, id, before)
    after = line.ask(id)
    assert is_of(after, before)
    if error is None:
        return
    assert NAMELESS.search(error)
    refused = worker_call(line.stack, "POST", f"/sandboxes/{id}/hibernate", artifact=unknown())
    assert refused.status_code >= 400, refused.text
    assert continues(line.ask(id), after)


def checkpoint_error(line: Timeline, id: str, before: dict[str, Any]) -> str | None:
    """Why there is no checkpoint; when there is one, its fork is right."""
    made = line.call("POST", f"/{id}/checkpoints", {201, 409, 500, 501}, name="with a nameless file")
    if "error" in made:
        return str(made["error"])
    line.adopt_checkpoint(id, made["id"])
    settled = line.settled(id, made["id"], "ready", "failed")
    if settled["status"] == "failed":
        return str(settled["errorMsg"])
    assert continues(line.ask(line.fork(made["id"])), before)
    return None


@pytest.mark.usefixtures("storing")
def test_stored_and_woken(line: Timeline, original: str) -> None:
    """Nothing of it is left on the host, then ten callers at once wake it, once."""
    before = line.ask(original)
    line.hibernate(original)
    line.await_released(original)
    with ThreadPoolExecutor(10) as pool:
        names = list(pool.map(lambda _: line.sh(original, "echo woken >> /srv/callers; hostname"), range(10)))
    assert names == [f"{original}\n"] * 10
    assert line.sh(original, "cat /srv/callers") == "woken\n" * 10
    assert continues(line.ask(original), before)


@pytest.mark.usefixtures("storing")
def test_frozen_sandbox_that_cannot_be_stored_stays_frozen(line: Timeline) -> None:
    """Such a file is worth the memory that its sandbox takes: it is never given up."""
    id = line.create()
    line.hold(id, "--memory-mb", "5", "--unlinked", "/srv")
    before = line.ask(id)
    line.hibernate(id)
    other = line.create()
    line.hibernate(other)
    line.await_released(other)  # asleep for longer, the first has had its turn
    assert line.status(id) == "hibernated"
    assert continues(line.ask(id), before)


@pytest.fixture
def on_the_host(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    options = ["--memory-mb", "1", "--unlinked", str(tmp_path), "--port", "0", "--directory", str(tmp_path)]
    program = [sys.executable, "-m", "fidelity", "hold", *options]
    here = Path(__file__).parent
    with subprocess.Popen(program, cwd=here, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as running:
        yield running
        running.kill()
        assert running.stdout is not None
        running.stdout.read()  # its counting child has the other end, too


def test_program_tells_what_is_wrong(on_the_host: subprocess.Popen[str], tmp_path: Path) -> None:
    """Damage done behind its back is named: a test that could not fail would prove nothing."""
    assert on_the_host.stdout is not None
    port = on_the_host.stdout.readline().strip()
    (tmp_path / "writing").write_text("something else")
    (tmp_path / "locked").unlink()
    (tmp_path / "locked").touch()
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    report = execute([sys.executable, "-m", "fidelity", "ask", "--port", port], here).json()
    assert set(report["wrong"]) == {"written", "flock"}
