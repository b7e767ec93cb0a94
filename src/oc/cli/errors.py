"""What the command line tells its user when something did not work, and the exit code that says so to a script."""

from __future__ import annotations

LOCAL, CLIENT, CONFLICT, SERVER = 1, 3, 4, 5  # exit codes (command line contract)
TRANSIENT = frozenset({502, 503, 504})  # statuses of a server, or of what stands before it, that is starting
INTERRUPTED = 130
READER_GONE = 141  # what a shell shows for a program that SIGPIPE has ended


class CliError(Exception):
    """The text says what failed, on what and why; the hint says what to do."""

    exit_code = LOCAL

    def __init__(self, text: str, *, hint: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint


class UsageError(CliError):
    """The command was not given as its help says."""


class Unreachable(CliError):  # noqa: N818 - a state of the server, named as one
    """No answer: the server is not there, or the connection to it was lost."""


class ApiError(CliError):
    """The server answered with an error status (contract 1.5)."""

    def __init__(self, status: int, text: str, *, hint: str = "") -> None:
        super().__init__(text, hint=hint)
        self.status = status
        self.exit_code = exit_code(status)


def exit_code(status: int) -> int:
    if status == 409:
        return CONFLICT
    return SERVER if status >= 500 else CLIENT
