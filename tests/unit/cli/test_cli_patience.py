"""A lost connection is tried again, quietly at first, and not for ever."""

from __future__ import annotations

import pytest

from oc.cli import patience
from oc.cli.errors import CliError
from oc.cli.patience import Patience


class Clock:
    """Time passes only while one sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(patience, "time", clock)
    return clock


def give_up(waiting: Patience) -> CliError:
    while True:
        try:
            waiting.wait(OSError("refused"))
        except CliError as error:
            return error


def test_it_ends_after_a_minute_and_says_what_to_do(clock: Clock, capfd: pytest.CaptureFixture[str]) -> None:
    error = give_up(Patience("http://server", "do this"))
    assert 50 < clock.now - 1000 <= 60
    assert error.exit_code == 1
    assert error.text == "lost the connection to http://server: refused"
    assert error.hint == "do this"
    assert capfd.readouterr().err.count("trying again") == 1


def test_short_losses_are_not_mentioned_and_progress_begins_anew(
    clock: Clock, capfd: pytest.CaptureFixture[str]
) -> None:
    waiting = Patience("http://server", "do this")
    for _ in range(100):
        waiting.wait(OSError("refused"))
        waiting.connected()
        waiting.renew()
    assert capfd.readouterr().err == ""
    give_up(waiting)
    waiting.connected()
    assert capfd.readouterr().err.endswith("oc: connected again\n")
