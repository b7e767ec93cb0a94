"""Ctrl-C while a command runs: first it goes to the command, then it ends the watching."""

from __future__ import annotations

import signal

from oc.cli import output
from oc.cli.api import path
from oc.cli.errors import CliError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Any

    from oc.cli.api import Api

ANSWER_S = 10.0


class Detached(BaseException):
    """The user has had enough; what runs in the sandbox runs on. Not an error: nothing on its way out may stop it."""


class Interrupts:
    """The first SIGINT or SIGTERM sends SIGINT to the session's process group; the second raises Detached.

    The request is made in the handler itself, for the program may be waiting for a reader of its output.
    """

    def __init__(self, api: Api, sandbox: str, session: str) -> None:
        self._api = api
        self._target = path("sandboxes", sandbox, "exec", session, "kill")
        self._before: dict[signal.Signals, Any] = {}
        self._interrupted = False

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:  # a shell's background job does not listen
                self._before[number] = signal.signal(number, self._handle)

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._interrupted:
            raise Detached
        self._interrupted = True
        output.note("sent SIGINT to the command; press Ctrl-C again to leave it running")
        try:
            self._api.call("POST", self._target, {"signal": int(signal.SIGINT)}, answer_s=ANSWER_S)
        except CliError as error:
            output.note(f"could not send it: {error}")
