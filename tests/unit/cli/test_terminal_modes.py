"""A terminal is left as it was, whatever programs have switched on."""

from __future__ import annotations

import pytest

from oc.cli.terminal_modes import MOST, PLAIN, Modes

EDITOR = b"\x1b[?1049h\x1b[22;0;0t\x1b[?1h\x1b=\x1b[?2004h\x1b[?25l\x1b[?1000;1006h"


def undone(*pieces: bytes, cut_short: bool = False) -> bytes:
    modes = Modes()
    for piece in pieces:
        modes.watch(piece)
    return modes.undo(cut_short=cut_short)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_what_is_on_is_switched_off_however_it_came(size: int) -> None:
    pieces = [EDITOR[start : start + size] for start in range(0, len(EDITOR), size)]
    expected = b"\x1b[?1006l\x1b[?1000l\x1b[?25h\x1b[?2004l\x1b[?1l\x1b[?1049l"
    assert undone(*pieces) == expected + PLAIN


@pytest.mark.parametrize(
    "output", [b"", b"plain \x1b[31mred\x1b[m", b"\x1b[?2004h$ \x1b[?2004l", b"\x1b[?25l\x1b[?25h"]
)
def test_programs_that_tidy_up_leave_nothing_to_do(output: bytes) -> None:
    assert undone(output) == b""
    assert undone(output, cut_short=True) == PLAIN


def test_a_hostile_program_costs_no_memory() -> None:
    flood = b"".join(b"\x1b[?%dh" % number for number in range(100_000))
    assert undone(flood).count(b"l") == MOST


def test_it_is_undone_once() -> None:
    modes = Modes()
    modes.watch(EDITOR)
    assert modes.undo(cut_short=True) != PLAIN
    assert modes.undo(cut_short=True) == PLAIN
