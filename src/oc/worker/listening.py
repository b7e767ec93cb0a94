"""The socket that the server connects to, and the lock that keeps workers apart."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from oc.model.errors import Conflict

DIRECTORY = 0o751  # others pass: the egress proxy has its place in it (`oc.serve.directories`)


def listen(path: Path, group: int) -> socket.socket:
    """Binds the Unix socket for root and the server's group. It appears under its name with its permissions set.

    Connecting to it is refused until it is listened on; that of a former worker is replaced.
    """
    path.parent.mkdir(mode=DIRECTORY, parents=True, exist_ok=True)
    _share(path.parent, DIRECTORY, group)
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(temporary))
        _share(temporary, 0o660, group)
        temporary.rename(path)
    except BaseException:
        listener.close()
        raise
    return listener


def _share(path: Path, mode: int, group: int) -> None:
    """Only root may give a file to a group that it is not in; without root the server is the same user."""
    if os.geteuid() == 0:
        os.chown(path, 0, group)
    path.chmod(mode)


def lock(directory: Path) -> int:
    """Takes a data directory for this process, until its end. Raises Conflict when another worker has it."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise Conflict(f"another worker uses {directory}", hint="stop it first, or set another data_dir") from error
    return fd
