"""Open files: read half, written half, locked, without a name."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from .probe import WrongError, expect, known_bytes

LINE = "line %09d\n"
LINES = 10_000
LINE_BYTES = len(LINE % 0)
UNLINKED_BYTES = 1 << 20


class Reading:
    """The next line read is the one that the offset stood before."""

    name = "offset"

    def __init__(self, directory: Path) -> None:
        path = directory / "reading"
        path.write_text("".join(LINE % number for number in range(LINES)))
        self._file = os.open(path, os.O_RDONLY)
        self._next = 0
        self.check()

    def check(self) -> None:
        expect(os.read(self._file, LINE_BYTES).decode(), LINE % self._next, "the next line")
        self._next = (self._next + 1) % LINES
        if not self._next:
            os.lseek(self._file, 0, os.SEEK_SET)


class Writing:
    """Memory says how much was written, the disk has it: they are of one moment."""

    name = "written"

    def __init__(self, directory: Path) -> None:
        self._file = os.open(directory / "writing", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        self._written = 0
        self._write()

    def _write(self) -> None:
        os.write(self._file, (LINE % self._written).encode())
        self._written += 1

    def check(self) -> None:
        expected = "".join(LINE % number for number in range(self._written))
        expect(os.pread(self._file, len(expected) + 1, 0).decode(), expected, "what was written")
        self._write()


class Locked:
    name = "flock"

    def __init__(self, directory: Path) -> None:
        self._path = directory / "locked"
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def check(self) -> None:
        """A second open file description is a stranger to the lock (flock(2))."""
        with self._path.open() as other:
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
        raise WrongError("somebody else got the lock")


class Unlinked:
    def __init__(self, directory: Path) -> None:
        self.name = f"unlinked in {directory}"
        path = directory / f"unlinked-{os.getpid()}"
        self._contents = known_bytes(str(path), UNLINKED_BYTES)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        os.write(self._file, self._contents)
        path.unlink()

    def check(self) -> None:
        expect(os.pread(self._file, UNLINKED_BYTES + 1, 0), self._contents, "the file without a name")
