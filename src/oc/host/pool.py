"""The disk pool: a directory whose files can be cloned.

Where the data directory's file system clones (btrfs, XFS with reflink), the pool is a plain directory of it. Elsewhere
it is a btrfs in one sparse image beside it, `pool.img`, mounted over the directory.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from oc.host import loop, mounts, process, reflink, threads
from oc.host.durable import sync_directory
from oc.model.errors import Unavailable

BTRFS_OPTIONS = "discard=async"  # what is deleted in the pool is given back to the file system under it
SMALLEST_MB = 256  # less does not make a btrfs that is of any use
SHARE_OF_FREE = 0.8


async def ensure(directory: Path, size_mb: int = 0) -> None:
    """Makes or mounts the pool (idempotent, also after a reboot). `size_mb` 0: four fifths of the free space.

    The size counts only when an image is made; an existing one keeps its own. Raises Unavailable, ProgramFailed and
    OSError.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if await threads.call(reflink.supported, directory):
        return
    image = _image(directory)
    if not image.exists():
        await _make(image, size_mb or int(_free_mb(directory.parent) * SHARE_OF_FREE))
    await threads.call(mounts.mount_file, image, directory, "btrfs", BTRFS_OPTIONS)


async def _make(image: Path, size_mb: int) -> None:
    if size_mb < SMALLEST_MB:
        raise Unavailable(
            f"no room for a disk pool in {image.parent}: {size_mb} MB, at least {SMALLEST_MB} are needed",
            hint="free space there, or set data_dir to a larger file system",
        )
    new = image.with_suffix(".new")
    new.unlink(missing_ok=True)
    with new.open("xb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.truncate(size_mb << 20)
    await process.run("mkfs.btrfs", "-q", "-m", "single", "-d", "single", new)
    new.rename(image)
    sync_directory(image.parent)


async def release(directory: Path) -> None:
    """Unmounts the pool if it is an image of ours; its files stay. Fine when it is not mounted."""
    if _backed(directory):
        await mounts.unmount(directory)


def free_mb(directory: Path) -> int:
    """Space left for disks: in the pool, and in the file system that a sparse image would still have to grow in."""
    return min(_free_mb(directory), _free_mb(directory.parent)) if _backed(directory) else _free_mb(directory)


def _backed(directory: Path) -> bool:
    return _image(directory).resolve() in loop.backing_files().values() and mounts.mounted(directory)


def _image(directory: Path) -> Path:
    return directory.parent / "pool.img"


def _free_mb(directory: Path) -> int:
    return shutil.disk_usage(directory).free >> 20
