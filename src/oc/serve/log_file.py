"""Where the lines of supervisor, server and worker go: standard error, one JSON object each.

systemd's journal takes them as they are. Without it, standard error is a file in the data directory, which is kept to
two pieces of bounded size.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

import structlog

from oc.settings import Settings

LARGEST = 32 << 20  # bytes


def path(settings: Settings) -> Path:
    return settings.data_dir / "logs" / "opencomputer.log"


def configure() -> None:
    """The supervisor's own lines; server and worker have theirs."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def limit(fd: int = 2) -> None:
    """When standard error is a file that has grown too large, its content moves to `FILE.1`.

    Copied and cut rather than renamed: three processes have it open, all to append.
    """
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or status.st_size < LARGEST:
        return
    file = Path(f"/proc/self/fd/{fd}").readlink()
    shutil.copyfile(file, file.with_name(f"{file.name}.1"))
    os.truncate(fd, 0)
