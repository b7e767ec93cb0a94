"""Standard input on its way into a sandbox: sent in a bounded window, and sent again where a connection was lost."""

from __future__ import annotations

import errno
import os

from oc.cli.errors import CliError

WINDOW = 1 << 20  # most bytes that the sandbox has not taken yet
CHUNK = 64 << 10
STDIN_TAG = b"\0"  # contract 3.1; alone it says that the input has ended


class Input:
    """Offsets count from the first byte of input.

    `ended`: there is no input. `ends`: the process is told when the input ends.
    """

    def __init__(self, descriptor: int, *, ended: bool, ends: bool) -> None:
        self.descriptor = descriptor
        self._held = bytearray()  # from `taken` on
        self.taken = 0  # bytes that the sandbox has confirmed
        self._sent = 0
        self._ended = ended
        self._end_waits = self._ends = ends
        self._acknowledged = True

    @property
    def wanted(self) -> bool:
        """Whether there is room for more."""
        return not self._ended and len(self._held) < WINDOW

    def read(self) -> None:
        """Takes what is there. Raises CliError."""
        try:
            data = os.read(self.descriptor, min(CHUNK, WINDOW - len(self._held)))
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:  # a terminal that has gone away
                raise CliError(f"cannot read standard input: {error.strerror}") from error
            data = b""
        self._ended = not data
        self._held += self.kept(data)

    def kept(self, data: bytes) -> bytes:
        """What of the input is for the process; b"" is its end."""
        return data

    def rewind(self, taken: int | None) -> None:
        """A new connection begins where the sandbox says. None: it will never say, so what is sent counts as taken.

        Raises CliError if it has forgotten what it had confirmed.
        """
        self._acknowledged = taken is not None
        if taken is not None:
            self.confirm(taken)
            self._sent = taken
        self._end_waits = self._ends

    def confirm(self, taken: int) -> None:
        count = taken - self.taken
        if not 0 <= count <= len(self._held):
            raise CliError(f"the sandbox has lost its place in the input: it asks for byte {taken}")
        del self._held[:count]
        self.taken = taken

    def next_frame(self) -> bytes | None:
        """What is to be sent now, if anything."""
        start = self._sent - self.taken
        data = bytes(self._held[start : start + CHUNK])
        if data:
            self._sent += len(data)
            if not self._acknowledged:
                self.confirm(self._sent)
            return STDIN_TAG + data
        if self._ended and self._end_waits:
            self._end_waits = False
            return STDIN_TAG
        return None
