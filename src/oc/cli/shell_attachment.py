"""The connection of the user's terminal to one in a sandbox, over as many WebSockets as it takes."""

from __future__ import annotations

import select

from oc.cli import output
from oc.cli.api import path
from oc.cli.attachment import Attachment
from oc.cli.errors import CliError
from oc.cli.patience import Patience
from oc.cli.shell_keys import ASK, KEYS
from oc.cli.transcript import Transcript

TYPE_CHECKING = False
if TYPE_CHECKING:
    from oc.cli.api import Api
    from oc.cli.shell_keys import Keys
    from oc.cli.shell_window import Window
    from oc.cli.terminal import Terminal

SHOWN, REPLAYED = 1, 4  # contract 3.1
LOOK_S = 5.0


class User:
    """The one who sits at the terminal."""

    def __init__(self, terminal: Terminal, window: Window, keys: Keys) -> None:
        self.terminal = terminal
        self.window = window
        self.keys = keys


class ShellPatience(Patience):
    """A person is told at once why nothing happens, and can leave."""

    quiet_s = 0.0

    def __init__(self, server: str, hint: str, user: User) -> None:
        super().__init__(server, hint)
        self._user = user

    def say(self, text: str) -> None:
        self._user.terminal.say(text)

    def pause(self, seconds: float) -> None:
        self._user.keys.wait(seconds)

    def explain(self, text: str) -> None:
        """Another reason than a loss."""
        self.say(text)
        self.noted = True


class ShellAttachment(Attachment):
    """`again`: others have seen what it has written so far; all that there still is of it is shown once more."""

    _patience: ShellPatience
    _input: Keys

    def __init__(
        self, api: Api, sandbox: str, target: str, user: User, patience: ShellPatience, *, again: bool
    ) -> None:
        super().__init__(api, target, patience, input=user.keys, whole=False)
        self._sandbox = sandbox
        self._terminal = user.terminal
        self._window = user.window
        self._replaying = again

    def _begin(self, offset: int, taken: int) -> None:
        if taken < self._input.taken:  # we were away for longer than our place was kept
            self._input.restart()
        if offset > self._transcript.offset:
            self._transcript = Transcript(whole=False)
        disturbed = self._patience.noted
        super()._begin(offset, taken)
        if disturbed:
            self._window.redraw()
        else:
            self._window.changed()

    def _begin_unplaced(self) -> None:
        raise CliError(f"{self._api.origin.url} does not speak this program's language of terminals")

    def _take(self, first: bool, last: bool, piece: memoryview) -> None:
        super()._take(first, last, piece)
        if self._kind == SHOWN:
            self._terminal.modes.watch(bytes(piece[1:] if first else piece))

    def _happened(self, content: bytes) -> None:
        super()._happened(content)
        if self._kind == REPLAYED and self._replaying:
            self._replaying = False
            self._transcript.flush()
            self._window.redraw()
            if self._terminal.shows:
                self._input.drop_answers()
                output.write(output.STDOUT, ASK)

    @property
    def _longest_s(self) -> float:
        held_s = self._input.held_s
        return super()._longest_s if held_s is None else min(held_s, super()._longest_s)

    def _pause(self, loss: Exception) -> None:
        if not self._asleep():
            super()._pause(loss)
            return
        self._patience.explain(f"{self._sandbox} is hibernated; press a key to wake it, or {KEYS} to leave")
        while not self._input.waiting and self._asleep():
            if select.select([self._input.descriptor], [], [], LOOK_S)[0]:
                self._input.read()
        self._patience.renew()

    def _asleep(self) -> bool:
        """A shell that is only open does not wake its sandbox: that would undo what has put it to sleep."""
        try:
            found = self._api.object("GET", path("sandboxes", self._sandbox), needs=("status",), answer_s=LOOK_S)
        except CliError:
            return False  # whatever it is, the next attempt will show
        return bool(found["status"] == "hibernated")
