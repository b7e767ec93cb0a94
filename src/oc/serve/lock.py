"""One process per role and run directory: a locked file that names its holder.

The kernel drops the lock when the holder ends, however it ends (flock(2)); the number in the file is only trusted while
the lock is held.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path

from oc.model.errors import Conflict, Failed

DIGITS = 10  # every number has this width in the file
DEATH_S = 10.0  # between SIGKILL and the end of a process that is not stuck in the kernel


@dataclass(frozen=True, slots=True)
class Lock:
    path: Path

    def hold(self) -> int:
        """Takes the lock until this process ends; returns its descriptor. Raises Conflict."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(fd)
            raise Conflict(
                f"{self.path.stem} runs already, as process {self.holder()} ({self.path})",
                hint="stop it first: oc-host down, or systemctl stop opencomputer",
            ) from error
        os.pwrite(fd, f"{os.getpid():{DIGITS}}\n".encode(), 0)  # over the former one: no reader sees half a number
        return fd

    def holder(self) -> int | None:
        """The process that holds the lock; None when nobody does."""
        try:
            with self.path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except BlockingIOError:
            text = self.path.read_text().strip()
            return int(text) if text.isdecimal() else None  # it has the lock since a moment and will write its number
        return None

    def end_holder(self, grace_s: float) -> bool:
        """Asks the holder to end, kills it when it has not after the grace. False: nobody held the lock.

        Raises Failed when it cannot be killed.
        """
        pid = self.holder()
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            fd = os.pidfd_open(pid)
            try:
                self._end(fd, pid, grace_s)
            finally:
                os.close(fd)
        return True

    def _end(self, fd: int, pid: int, grace_s: float) -> None:
        if self.holder() != pid:  # the number was given to another process before we had hold of it
            return
        for number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, DEATH_S)):
            signal.pidfd_send_signal(fd, number)
            if select.select([fd], [], [], patience_s)[0]:
                return
        raise Failed(f"process {pid} of {self.path} cannot be killed: it is stuck in the kernel")


def of(run_dir: Path, role: str) -> Lock:
    """`role`: service, server or worker."""
    return Lock(run_dir / f"{role}.lock")
