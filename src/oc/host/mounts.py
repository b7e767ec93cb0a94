"""Disk images as mounted directories. A mount takes milliseconds: no program is started."""

from __future__ import annotations

import errno
import logging
import os
import re
import time
from pathlib import Path

from oc.host import loop, threads
from oc.host.syscalls import (
    MNT_DETACH,
    MS_NOATIME,
    MS_NODEV,
    MS_NOSUID,
    MS_RDONLY,
    mount,
    umount,
)

MOUNTINFO = Path("/proc/self/mountinfo")
# discard: what a sandbox deletes is given back to the pool. noinit_itable: no kernel thread that fills the inode tables
# of every clone, unsharing them.
EXT4_OPTIONS = "discard,noinit_itable"
BUSY_S = 5.0  # processes that have just been killed may hold a mount for as long
BUSY_STEP_S = 0.02

log = logging.getLogger(__name__)


async def mount_image(image: Path, target: Path, *, read_only: bool = False) -> None:
    """Mounts a raw ext4 image on an existing directory. Device nodes and set-uid bits in it mean nothing to the host.

    Raises OSError.
    """
    await threads.call(mount_file, image, target, "ext4", EXT4_OPTIONS, read_only=read_only)


def mount_file(image: Path, target: Path, kind: str, options: str, *, read_only: bool = False) -> None:
    """Blocking: mounts a file that holds a file system, through a loop device that goes with the mount."""
    flags = MS_NOSUID | MS_NODEV | MS_NOATIME | (MS_RDONLY if read_only else 0)
    with loop.attached(image, read_only=read_only) as device:
        mount(str(device), target, kind, flags, options)


async def unmount(target: Path) -> None:
    """Unmounts a directory, and what is stacked on it; fine when nothing is mounted there. Its loop device is freed.

    A mount that stays busy is detached, with a warning: it is out of sight at once and ends with its last user.
    """
    await threads.call(_unmount, target)


def _unmount(target: Path) -> None:
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            umount(target)
        except OSError as error:
            if error.errno in {errno.EINVAL, errno.ENOENT}:  # not, or no longer, a mount
                return
            if error.errno != errno.EBUSY:
                raise
            if time.monotonic() < deadline:
                time.sleep(BUSY_STEP_S)
                continue
            log.warning("%s is still in use after %g s: detaching it", target, BUSY_S)
            umount(target, MNT_DETACH)


def mounted(target: Path) -> bool:
    """Whether something is mounted exactly there."""
    return Path(os.path.realpath(target)) in _points()


def under(directory: Path) -> list[Path]:
    """All mount points strictly below a directory, deepest first: the order in which they can be unmounted."""
    base = Path(os.path.realpath(directory))
    return sorted((point for point in _points() if base in point.parents), key=lambda point: -len(point.parts))


def loops(directory: Path) -> list[Path]:
    """Files below a directory that stand behind loop devices."""
    base = Path(os.path.realpath(directory))
    return sorted(file for file in loop.backing_files().values() if base in file.parents)


def _points() -> set[Path]:
    lines = MOUNTINFO.read_text(errors="surrogateescape").splitlines()
    return {Path(decoded(line.split()[4])) for line in lines}


def decoded(field: str) -> str:
    """Undoes the octal escapes of space, tab, newline and backslash in mountinfo (proc_pid_mountinfo(5))."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
