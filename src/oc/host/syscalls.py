"""System calls that Python lacks: mount(2), umount2(2), setns(2), unshare(2), each checked."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOATIME = 1024
MS_BIND = 4096
MS_SHARED = 1 << 20
MS_REC = 16384
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)


def mount(source: str, target: Path, kind: str | None, flags: int, data: str | None = None) -> None:
    """mount(2). Raises OSError with the target."""
    _check(_libc.mount(source.encode(), os.fsencode(target), _bytes(kind), flags, _bytes(data)), target)


def umount(target: Path, flags: int = 0) -> None:
    """umount2(2), never through a symbolic link. Raises OSError with the target."""
    _check(_libc.umount2(os.fsencode(target), flags | UMOUNT_NOFOLLOW), target)


def unshare(flags: int) -> None:
    """unshare(2), of the calling thread."""
    _check(_libc.unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    """setns(2), of the calling thread."""
    _check(_libc.setns(fd, kind), "setns")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def _check(result: int, name: Path | str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(name))
