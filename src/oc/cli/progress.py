"""A line on a terminal that says what is being waited for, written over itself; nothing where there is no terminal."""

from __future__ import annotations

import os
import time

from oc.cli import output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

CLEAR = "\r\x1b[K"


class Progress:
    """On standard error, so that standard output stays clean. Leaving the block removes the line."""

    def __init__(self) -> None:
        self._shown = os.isatty(output.STDERR)
        self._started = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.clear()

    def show(self, text: str) -> None:
        if not self._shown:
            return
        line = output.printable(f"{text} ({output.duration(time.monotonic() - self._started)})")
        columns = os.get_terminal_size(output.STDERR).columns or 80
        self._write(CLEAR + line[: columns - 1])  # a longer one would go on in a second line, which stays

    def clear(self) -> None:
        """Makes room for another message."""
        if self._shown:
            self._write(CLEAR)

    def _write(self, text: str) -> None:
        output.write(output.STDERR, output.encoded(text))
