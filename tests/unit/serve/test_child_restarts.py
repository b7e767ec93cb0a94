"""When a part that has ended is started again: by a clock of the test's own, with processes that end at once."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

import pytest

from oc.serve import invocation
from oc.serve.child import FIRST_DELAY_S, LONGEST_DELAY_S, STEADY_S, Child
from oc.settings import load


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Process:
    """Stands in for Popen."""

    code: int | None = None
    pid: int = 1

    def poll(self) -> int | None:
        return self.code


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Process]:
    processes: list[Process] = []

    def start(*_: object, **__: object) -> Process:
        processes.append(Process())
        return processes[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    return processes


def test_delay_grows_to_its_limit_while_it_keeps_ending(started: list[Process]) -> None:
    clock = Clock()
    part = Child("worker", {}, clock)
    part.tend()
    delays = []
    for _ in range(8):
        started[-1].code = 1
        part.tend()
        wait = part.wait_s()
        assert wait is not None
        delays.append(wait)
        clock.now = part.due
        part.tend()
    assert delays[0] == pytest.approx(FIRST_DELAY_S)
    assert delays[-1] == pytest.approx(LONGEST_DELAY_S)
    assert delays == sorted(delays)
    assert len(started) == 9


def test_one_that_ran_for_long_is_started_again_quickly(started: list[Process]) -> None:
    clock = Clock()
    part = Child("server", {}, clock)
    for ran_s in (0.0, 0.0, 0.0, STEADY_S):
        clock.now = max(clock.now, part.due)
        part.tend()
        clock.now += ran_s
        started[-1].code = -9
        part.tend()
    assert part.wait_s() == pytest.approx(FIRST_DELAY_S)


def test_it_is_not_started_before_it_is_due(started: list[Process]) -> None:
    clock = Clock()
    part = Child("server", {}, clock)
    part.tend()
    started[-1].code = 0
    part.tend()
    part.tend()
    assert len(started) == 1


def test_variables_bring_the_same_settings_to_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OC_CONFIG", "/dev/null")
    settings = load({"listen": "127.0.0.1:99", "network": "10.7.0.0/16", "instance": "x"})
    variables = invocation.variables(settings)
    assert load(environ=variables) == settings
    assert set(variables) == {"OC_CONFIG", "OC_LISTEN", "OC_NETWORK", "OC_INSTANCE"}
