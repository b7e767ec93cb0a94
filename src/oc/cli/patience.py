"""How long a lost connection is tried again: a server that restarts is back within seconds."""

from __future__ import annotations

import time

from oc.cli import output
from oc.cli.errors import CliError

TOTAL_S = 60.0
QUIET_S = 2.0  # shorter losses are nobody's business
FIRST_S, LONGEST_S = 0.05, 2.0


class Patience:
    """`hint` says what the user can do when it has run out. `noted`: the user was told of the loss."""

    quiet_s = QUIET_S

    def __init__(self, server: str, hint: str, total_s: float = TOTAL_S) -> None:
        self._server = server
        self._hint = hint
        self._total_s = total_s
        self.noted = False
        self.renew()

    def renew(self) -> None:
        """The connection is a good one: something has moved on it."""
        self._lost_at: float | None = None
        self._pause_s = FIRST_S

    def connected(self) -> None:
        if self.noted:
            self.say("connected again")
        self.noted = False

    def say(self, text: str) -> None:
        output.note(text)

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def exhausted(self, failure: Exception) -> CliError:
        return CliError(f"lost the connection to {self._server}: {failure}", hint=self._hint)

    def wait(self, failure: Exception) -> None:
        """Pauses before another attempt. Raises CliError when there have been enough of them."""
        now = time.monotonic()
        self._lost_at = now if self._lost_at is None else self._lost_at
        away_s = now - self._lost_at
        if away_s + self._pause_s > self._total_s:
            raise self.exhausted(failure) from failure
        if away_s > self.quiet_s and not self.noted:
            self.say(f"lost the connection to {self._server}, trying again for {self._total_s:.0f} s: {failure}")
            self.noted = True
        self.pause(self._pause_s)
        self._pause_s = min(2 * self._pause_s, LONGEST_S)
