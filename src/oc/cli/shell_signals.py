"""Signals while a terminal belongs to a shell in a sandbox. What is typed makes none: Ctrl-C is a byte then."""

from __future__ import annotations

import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Any

    from oc.cli.shell_window import Window
    from oc.cli.terminal import Terminal

ENDING = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Ended(BaseException):
    """Somebody wants us to go. Not an error: nothing on its way out may stop it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


class Signals:
    """One that ends us gives the terminal back in its handler, wherever we are, then raises Ended, once."""

    def __init__(self, terminal: Terminal, window: Window) -> None:
        self._terminal = terminal
        self._window = window
        self._before: dict[signal.Signals, Any] = {}
        self._ended = False

    def __enter__(self) -> Signals:
        handlers = dict.fromkeys(ENDING, self._end)
        handlers |= {signal.SIGWINCH: self._resized, signal.SIGCONT: self._continued}
        for number, handler in handlers.items():
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, handler)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def ignore(self) -> None:
        """We are going as it is."""
        self._ended = True

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._terminal.give_back(cut_short=True)
        if not self._ended:
            self._ended = True
            raise Ended(number)

    def _resized(self, number: int, frame: FrameType | None) -> None:
        self._window.changed()

    def _continued(self, number: int, frame: FrameType | None) -> None:
        self._terminal.take_again()
        self._window.redraw()
