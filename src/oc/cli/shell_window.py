"""Tells a sandbox how large the user's terminal is, in a thread: what is typed and shown must not wait for that."""

from __future__ import annotations

import os
import signal
import threading
import time

from oc.cli.errors import CliError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from oc.cli.api import Api
    from oc.cli.terminal import Terminal

CHANGED, REDRAW = b"c", b"r"
ANSWER_S = 10.0
SEEN_S = 0.1  # for programs to notice a size; between two that follow at once they may see only the second
MARKS = 4096


class Window:
    """`target` is the session's path. Many changes while one is being told become one.

    What could not be told is told with the next change, or when the connection is back.
    """

    def __init__(self, api: Api, target: str, terminal: Terminal) -> None:
        self._api = api
        self._target = f"{target}/resize"
        self._terminal = terminal
        self._told = terminal.size
        self._marks, self._mark = os.pipe()
        os.set_blocking(self._mark, False)
        self._thread = threading.Thread(target=self._run, name="window", daemon=True)

    def __enter__(self) -> Window:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        os.close(self._mark)  # the thread ends when it has done what it is at; nothing waits for that

    def changed(self) -> None:
        """Perhaps. May be called from a signal handler."""
        self._leave(CHANGED)

    def redraw(self) -> None:
        """Makes programs show themselves again: they do when their size changes."""
        self._leave(REDRAW)

    def _leave(self, mark: bytes) -> None:
        try:
            os.write(self._mark, mark)
        except BlockingIOError:
            return  # it will be looked at as it is

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for the thread that handles them
        while marks := os.read(self._marks, MARKS):
            try:
                self._tell(redraw=REDRAW in marks)
            except (CliError, OSError):
                continue  # see above
        os.close(self._marks)

    def _tell(self, *, redraw: bool) -> None:
        size = self._terminal.size
        if redraw:
            self._post(size.columns, size.lines - 1 or 2)
            time.sleep(SEEN_S)
        if redraw or size != self._told:
            self._post(size.columns, size.lines)
            self._told = size

    def _post(self, columns: int, rows: int) -> None:
        self._api.call("POST", self._target, {"cols": columns, "rows": rows}, answer_s=ANSWER_S)
