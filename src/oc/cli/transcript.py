"""A session's output on its way to standard output and standard error: each byte once, whatever connections do."""

from __future__ import annotations

import struct

from oc.cli import output
from oc.cli.errors import CliError

CHANNELS = {1: output.STDOUT, 2: output.STDERR}  # contract 3.1
GOT = 7


class Transcript:
    """Offsets count from the session's first byte, over both channels. `whole`: not one of them may be missing."""

    def __init__(self, *, whole: bool) -> None:
        self.offset = 0  # of the first byte that has not been written here
        self._whole = whole
        self._skip = 0
        self._acknowledged = 0
        self._channel = 0
        self._pieces: list[memoryview] = []

    def begin(self, offset: int) -> None:
        """A connection's output begins there. Raises CliError when bytes are missing in between."""
        self._pieces.clear()
        if offset > self.offset and self._whole:
            raise CliError(f"{offset - self.offset} bytes of output are lost: the sandbox no longer has them")
        self.offset = max(offset, self.offset)
        self._skip = self.offset - offset
        self._acknowledged = offset
        self._whole = True

    @property
    def owed(self) -> int:
        """Bytes that this connection has brought, that are written here, and that were not acknowledged yet."""
        return self.offset - self._skip - self._acknowledged

    def acknowledgement(self) -> bytes:
        """The frame that tells how far this connection's output is written here: never beyond what it has brought."""
        self._acknowledged += self.owed
        return struct.pack("!BQ", GOT, self._acknowledged)

    def add(self, channel: int, piece: memoryview) -> None:
        """Valid until `flush`."""
        if channel != self._channel:
            self.flush()
            self._channel = channel
        self._pieces.append(piece)

    def flush(self) -> None:
        """Raises OSError. Only what has been written counts."""
        if not self._pieces:
            return
        data = self._pieces[0] if len(self._pieces) == 1 else memoryview(b"".join(self._pieces))
        self._pieces.clear()
        known = min(self._skip, len(data))
        output.write(CHANNELS[self._channel], data[known:])
        self._skip -= known
        self.offset += len(data) - known
