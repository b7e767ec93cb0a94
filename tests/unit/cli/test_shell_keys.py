"""What is typed in a shell: whose it is."""

from __future__ import annotations

import pytest

from oc.cli import shell_keys
from oc.cli.interrupt import Detached
from oc.cli.shell_keys import Keys, TerminalGone


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(shell_keys, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ([b"\x03\x1a\x04\x1c\x11\x13"], b"\x03\x1a\x04\x1c\x11\x13"),
        (["grüße".encode()[:3], "grüße".encode()[3:]], "grüße".encode()),
        ([b"a\x1d\x1db"], b"a\x1db"),
        ([b"\x1d", b"\x1d"], b"\x1d"),
        ([b"a\x1dx"], b"a\x1dx"),
        ([b"\x1d", b"xd"], b"\x1dxd"),
        ([b"\x1d\x1d", b"d"], b"\x1dd"),
        ([b"a\x1d"], b"a"),
    ],
)
def test_all_keys_but_one_pair_are_the_shells(clock: Clock, typed: list[bytes], kept: bytes) -> None:
    keys = Keys()
    assert b"".join(keys.kept(data) for data in typed) == kept


@pytest.mark.parametrize("typed", [[b"\x1dd"], [b"\x1d", b"d"], [b"abc\x1d", b"def"], [b"\x1d\x1d\x1dd"]])
def test_the_pair_leaves(clock: Clock, typed: list[bytes]) -> None:
    keys = Keys()

    def type_all() -> None:
        for data in typed:
            keys.kept(data)

    with pytest.raises(Detached):
        type_all()


def test_a_prefix_that_nothing_follows_is_the_shells(clock: Clock) -> None:
    keys = Keys()
    keys.rewind(0)
    assert keys.held_s is None
    assert keys.kept(b"\x1d") == b""
    assert keys.waiting
    assert keys.next_frame() is None
    assert keys.held_s == pytest.approx(shell_keys.HELD_S)
    clock.now += shell_keys.HELD_S + 0.1
    assert keys.next_frame() == b"\0\x1d"
    assert (keys.next_frame(), keys.held_s) == (None, None)
    assert keys.kept(b"d") == b"d"


def test_nobody_types_any_more() -> None:
    with pytest.raises(TerminalGone):
        Keys().kept(b"")


def test_answers_to_what_is_shown_again_are_not_typed(clock: Clock) -> None:
    keys = Keys()
    keys.drop_answers()
    assert [keys.kept(data) for data in (b"\x1b[?1;2c", b"\x1b[", b"0nls\r", b"more")] == [b"", b"", b"ls\r", b"more"]


def test_a_terminal_that_does_not_answer_is_not_waited_for(clock: Clock) -> None:
    keys = Keys()
    keys.drop_answers()
    assert keys.kept(b"lost") == b""
    clock.now += shell_keys.ANSWER_S + 0.1
    assert keys.kept(b"typed") == b"typed"


def test_after_a_long_absence_nothing_is_typed_twice() -> None:
    keys = Keys()
    keys.rewind(0)
    keys.confirm(0)
    keys._held += keys.kept(b"rm file\r")
    assert keys.next_frame() == b"\0rm file\r"
    keys.restart()
    keys.rewind(0)
    assert (keys.next_frame(), keys.waiting) == (None, False)
