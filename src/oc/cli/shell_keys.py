"""What is typed: all of it is the shell's but the keys that leave it."""

from __future__ import annotations

import select
import time

from oc.cli import output
from oc.cli.interrupt import Detached
from oc.cli.stdin import Input

PREFIX, LEAVE = b"\x1d", b"d"  # Ctrl-], d
KEYS = "Ctrl-] then d"
HELD_S = 0.7  # a Ctrl-] that nothing follows is the shell's: vim follows a tag with it
READY = b"\x1b[0n"  # answer to ASK: DSR, device status report (ECMA-48)
ASK = b"\x1b[5n"
ANSWER_S = 1.0
LONGEST_ANSWER = 4096


class TerminalGone(Exception):  # noqa: N818 - what has happened
    """Nobody types any more."""

    exit_code = 129  # what a shell shows for a program that SIGHUP has ended


class Keys(Input):
    """Ctrl-] and d raise Detached; Ctrl-] twice is one; before any other key, or alone for HELD_S, it is itself."""

    def __init__(self) -> None:
        super().__init__(output.STDIN, ended=False, ends=False)
        self._prefix_at: float | None = None
        self._deaf_until: float | None = None
        self._answers = b""

    def kept(self, data: bytes) -> bytes:
        if not data:
            raise TerminalGone
        return self._without_prefix(self._heard(data))

    def _without_prefix(self, data: bytes) -> bytes:
        if self._prefix_at is not None:
            data, self._prefix_at = PREFIX + data, None
        kept = b""
        while PREFIX in data:
            before, _, data = data.partition(PREFIX)
            kept += before
            if data[:1] == LEAVE:
                raise Detached
            if not data:
                self._prefix_at = time.monotonic()
                return kept
            kept += PREFIX if data[:1] == PREFIX else PREFIX + data[:1]
            data = data[1:]
        return kept + data

    def next_frame(self) -> bytes | None:
        if self._prefix_at is not None and not self.held_s:
            self._held += PREFIX
            self._prefix_at = None
        return super().next_frame()

    @property
    def held_s(self) -> float | None:
        """How long a Ctrl-] is still held back; None: there is none."""
        return None if self._prefix_at is None else max(0.0, self._prefix_at + HELD_S - time.monotonic())

    def drop_answers(self) -> None:
        """Old output may ask the terminal things; the answers would be typed now. The last of them is that to ASK."""
        self._deaf_until = time.monotonic() + ANSWER_S

    def _heard(self, data: bytes) -> bytes:
        if self._deaf_until is None:
            return data
        if time.monotonic() > self._deaf_until:  # a terminal that does not answer
            self._deaf_until = None
            return data
        self._answers = (self._answers + data)[-LONGEST_ANSWER:]
        _, answered, typed = self._answers.partition(READY)
        if answered:
            self._deaf_until = None
        return typed

    def restart(self) -> None:
        """The sandbox knows nothing of us any more. What it has not confirmed may have reached it: not typed twice."""
        self._held.clear()
        self.taken = self._sent = 0

    def wait(self, seconds: float) -> None:
        """Goes on reading meanwhile, so that one can leave."""
        deadline = time.monotonic() + seconds
        while (left_s := deadline - time.monotonic()) > 0:
            if select.select([self.descriptor] if self.wanted else [], [], [], left_s)[0]:
                self.read()

    @property
    def waiting(self) -> bool:
        """Whether something has been typed that the sandbox has not got."""
        return bool(self._held) or self._prefix_at is not None
