"""Loop devices (loop(4)): attached in one ioctl, freed by the kernel when their last user has gone."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

from oc.host import sysfs

LOOP_CONTROL = Path("/dev/loop-control")
LOOP_CTL_GET_FREE = 0x4C82
LOOP_CONFIGURE = 0x4C0A  # Linux 5.8
LO_FLAGS_READ_ONLY = 1
LO_FLAGS_AUTOCLEAR = 4
# struct loop_config of linux/loop.h: fd, block size, loop_info64 (flags at its byte 52, file name at 56), reserved.
CONFIG = struct.Struct("=II 52x I 64s 112x 64x")
ATTEMPTS = 200  # of other programs, as many as may race for the same free device

_choosing = threading.Lock()  # two that race for one device cost each other 100 ms (measured)


@contextlib.contextmanager
def attached(image: Path, *, read_only: bool = False) -> Iterator[Path]:
    """A loop device of the file, while the block runs and for as long as something is mounted from it."""
    device = _attach(image, read_only)
    try:
        yield Path(f"/dev/loop{os.minor(os.fstat(device).st_rdev)}")
    finally:
        os.close(device)


def _attach(image: Path, read_only: bool) -> int:
    flags = LO_FLAGS_AUTOCLEAR | (LO_FLAGS_READ_ONLY if read_only else 0)
    mode = os.O_RDONLY if read_only else os.O_RDWR
    with image.open("rb" if read_only else "r+b", buffering=0) as file:
        config = CONFIG.pack(file.fileno(), 0, flags, os.fsencode(image)[-63:])
        with _choosing:
            return _configure_free(mode, config)


def _configure_free(mode: int, config: bytes) -> int:
    """Returns the open device; closing it before something is mounted from it frees it again."""
    for _ in range(ATTEMPTS):
        device = os.open(f"/dev/loop{_free()}", mode | os.O_CLOEXEC)
        try:
            fcntl.ioctl(device, LOOP_CONFIGURE, config)
        except BaseException as error:
            os.close(device)
            if not isinstance(error, OSError) or error.errno != errno.EBUSY:  # busy: another took the same device
                raise
        else:
            return device
    raise OSError(errno.EBUSY, "no free loop device")


def _free() -> int:
    with LOOP_CONTROL.open("rb") as control:
        return fcntl.ioctl(control, LOOP_CTL_GET_FREE)


def backing_files() -> dict[str, Path]:
    """Device name (`loop3`) -> the file behind it, for every loop device in use."""
    found: dict[str, Path] = {}
    for entry in Path("/sys/block").glob("loop*/loop/backing_file"):
        if file := sysfs.read(entry):
            found[entry.parts[3]] = Path(file.removesuffix(" (deleted)"))
    return found
