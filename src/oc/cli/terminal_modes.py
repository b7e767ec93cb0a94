"""What programs have switched on at a terminal, so that it can be switched off when they are not there to do it."""

from __future__ import annotations

import re

PRIVATE = re.compile(rb"\x1b\[\?([0-9;]{1,40})([hl])")  # DECSET and DECRST (xterm control sequences)
UNFINISHED = re.compile(rb"\x1b(\[(\?[0-9;]{0,40})?)?\Z")
LONGEST = 48
ON_AT_FIRST = frozenset({7, 25})  # automatic wrap, cursor
MOST = 64  # modes that are remembered; real programs use a handful
PLAIN = (
    b"\x1b[>4m"  # keys as usual (modifyOtherKeys)
    b"\x1b>\x0f\x1b(B"  # numeric keypad, ASCII
    b"\x1b7\x1b[r\x1b8"  # the whole screen scrolls; that moves the cursor, which is put back
    b"\x1b[m"
)


class Modes:
    """`watch` is given all output, in pieces that may end anywhere."""

    def __init__(self) -> None:
        self._changed: dict[int, bool] = {}  # modes that are not as at first, in the order in which they were changed
        self._rest = b""

    def watch(self, data: bytes) -> None:
        data = self._rest + data
        for numbers, letter in PRIVATE.findall(data):
            for number in numbers.split(b";"):
                self._set(int(number or b"0"), on=letter == b"h")
        rest = UNFINISHED.search(data, max(0, len(data) - LONGEST))
        self._rest = rest.group() if rest else b""

    def _set(self, number: int, *, on: bool) -> None:
        self._changed.pop(number, None)
        if on != (number in ON_AT_FIRST) and len(self._changed) < MOST:
            self._changed[number] = on

    def undo(self, *, cut_short: bool) -> bytes:
        """What brings the terminal back; nothing where programs have tidied up. `cut_short`: they had no chance to."""
        changed = list(self._changed.items())
        self._changed.clear()
        undone = b"".join(b"\x1b[?%d%c" % (number, b"l" if on else b"h") for number, on in reversed(changed))
        return undone + PLAIN if changed or cut_short else b""
