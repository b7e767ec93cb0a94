from __future__ import annotations

import pytest

from oc.api.timestamps import SECOND
from oc.model.sandbox import Size, Status
from oc.server import activity
from oc.server.activity import FLUSH_S, Activity
from oc.store.sandboxes import Sandbox, Wish

ID = "sb-00000000"


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> int:
        return int(self.seconds * SECOND)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(activity, "now", made)
    return made


def row(timeout_s: int, last_active_s: float) -> Sandbox:
    wish = Wish("base", Size(1, 128, 1024), {}, {}, timeout_s)
    at = int(last_active_s * SECOND)
    return Sandbox(ID, "org", Status.RUNNING, None, wish, False, at, at, None, at)


def test_traffic_begins_the_timeout_anew(clock: Clock) -> None:
    known = Activity()
    known.touch(ID)
    clock.seconds += 59.9
    assert not known.expired(row(60, 1000))
    known.touch(ID)
    clock.seconds += 59.9
    assert not known.expired(row(60, 1000))
    clock.seconds += 0.2
    assert known.expired(row(60, 1000))


def test_zero_is_never(clock: Clock) -> None:
    clock.seconds += 10**9
    assert not Activity().expired(row(0, 1000))


def test_call_under_way_keeps_it_and_its_end_is_traffic(clock: Clock) -> None:
    known = Activity()
    with known.busy(ID):
        clock.seconds += 3600
        assert not known.expired(row(60, 1000))
    assert not known.expired(row(60, 1000))
    clock.seconds += 60
    assert known.expired(row(60, 1000))


def test_row_may_be_behind_after_a_crash(clock: Clock) -> None:
    """What had not been written when the server was killed is given the benefit of the doubt."""
    clock.seconds += 60 + FLUSH_S - 0.1
    assert not Activity().expired(row(60, 1000))
    clock.seconds += 0.2
    assert Activity().expired(row(60, 1000))


def test_each_use_is_written_once_and_the_dead_are_forgotten(clock: Clock) -> None:
    known = Activity()
    known.touch(ID)
    assert known.unwritten() == {ID: clock()}
    assert known.unwritten() == {}
    known.touch(ID)
    known.keep_only(set())
    assert known.unwritten() == {}
