"""A process that is to run for as long as its supervisor: started again when it ends, sooner or later."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from oc.serve import invocation, part

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 2.0
STEADY_S = 10.0  # one that ran for so long has earned a quick restart

log = structlog.get_logger()


@dataclass
class Child:
    """Times are those of `clock`, in seconds."""

    name: str  # the verb of oc-host that it runs
    variables: dict[str, str]
    clock: Callable[[], float]
    process: subprocess.Popen[bytes] | None = None
    due: float = 0.0  # when it is to be started, while it does not run
    _delay: float = FIRST_DELAY_S
    _started: float = field(default=0.0)

    def tend(self) -> None:
        """Notices its end; starts it when that is due."""
        if self.process is not None and (code := self.process.poll()) is not None:
            self._ended(code)
        if self.process is None and self.clock() >= self.due:
            self._start()

    def wait_s(self) -> float | None:
        """How long until `tend` has something to do if it does not end."""
        return None if self.process is not None else max(0.0, self.due - self.clock())

    def _start(self) -> None:
        environment = os.environ | self.variables | {part.SUPERVISOR: str(os.getpid())}
        self.process = subprocess.Popen(invocation.argv(self.name), env=environment, stdin=subprocess.DEVNULL)
        self._started = self.clock()
        log.info("started", part=self.name, pid=self.process.pid)

    def _ended(self, code: int) -> None:
        now = self.clock()
        if now - self._started >= STEADY_S:
            self._delay = FIRST_DELAY_S
        self.process, self.due = None, now + self._delay
        log.warning("ended", part=self.name, code=code, again_in_s=self._delay)
        self._delay = min(2 * self._delay, LONGEST_DELAY_S)

    def stop(self, grace_s: float) -> None:
        """Asks it to end, and kills it when it has not after the grace."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            code = self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            log.warning("killed", part=self.name, after_s=grace_s)
            self.process.kill()
            code = self.process.wait()
        log.info("stopped", part=self.name, code=code)
        self.process = None
