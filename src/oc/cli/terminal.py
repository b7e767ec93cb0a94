"""The user's own terminal, lent to a shell in a sandbox: every key goes there, and it is given back as it was."""

from __future__ import annotations

import os
import select
import termios
import tty

from oc.cli import output
from oc.cli.terminal_modes import Modes

LONGEST_SIDE = 1000  # rows or columns that the API takes
USUAL = os.terminal_size((80, 24))
STUCK_S = 1.0


class Terminal:
    """On standard input. Raises termios.error when that is none."""

    def __init__(self) -> None:
        self._before = termios.tcgetattr(output.STDIN)
        self._shows = os.isatty(output.STDOUT)
        self.modes = Modes()
        self.taken = False

    def take(self) -> None:
        self.taken = True
        tty.setraw(output.STDIN, termios.TCSADRAIN)  # what has been typed ahead is for the shell

    def take_again(self) -> None:
        """After the user's own shell has had it in between."""
        try:
            if self.taken:
                self.take()
        except (OSError, termios.error):
            return  # a hangup continues us, too: then it has gone

    def give_back(self, *, cut_short: bool) -> None:
        """As it was. May be called again, also from a signal handler amid itself. `cut_short`: the shell runs on."""
        begun, self.taken = self.taken and cut_short, False  # a line that is not ours
        try:
            termios.tcsetattr(output.STDIN, termios.TCSANOW, self._before)
            if begun:
                termios.tcflush(output.STDIN, termios.TCIFLUSH)  # typed for the sandbox: not for the user's own shell
            self._tidy(self.modes.undo(cut_short=cut_short) + (b"\r\n" if begun else b""))
        except (OSError, termios.error):
            return  # it has gone away: there is nothing to give back

    def _tidy(self, sequences: bytes) -> None:
        """A terminal that takes no output must not keep us here."""
        if sequences and self._shows and select.select([], [output.STDOUT], [], STUCK_S)[1]:
            output.write(output.STDOUT, sequences)

    @property
    def shows(self) -> bool:
        """Whether it is also where output goes."""
        return self._shows

    @property
    def size(self) -> os.terminal_size:
        """Columns and rows, as the API takes them; the usual size for a terminal that does not know its own."""
        size = os.get_terminal_size(output.STDIN)
        columns, rows = (side or usual for side, usual in zip(size, USUAL, strict=True))
        return os.terminal_size((min(columns, LONGEST_SIDE), min(rows, LONGEST_SIDE)))

    def say(self, text: str) -> None:
        """On a line of its own, whatever the shell is showing."""
        if self.taken and os.isatty(output.STDERR):
            output.write(output.STDERR, output.encoded(f"\r\n\x1b[moc: {output.printable(text)}\r\n"))
        else:
            output.note(text)
