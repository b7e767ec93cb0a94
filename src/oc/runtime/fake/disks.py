"""Disks that are plain directories, and images that are always there."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

from oc.host import threads


class PlainDisks:
    """A mount is a symbolic link to the disk."""

    def __init__(self, disks: Path, roots: Path) -> None:
        self._disks = disks
        self._roots = roots

    async def create(self, id: str, image: str, disk_mb: int) -> str:
        (self._disks / id).mkdir(parents=True)
        return image

    async def adopt(self, id: str, disk: Path) -> None:
        (self._disks / id).mkdir(parents=True)
        await threads.call(shutil.unpack_archive, disk, self._disks / id, "tar")

    async def snapshot(self, id: str, target: Path) -> None:
        await threads.call(_archive, self._disks / id, target)

    async def mount(self, id: str) -> Path:
        self._roots.mkdir(parents=True, exist_ok=True)
        (self._roots / id).symlink_to(self._disks / id)
        return self._roots / id

    async def unmount(self, id: str) -> None:
        (self._roots / id).unlink(missing_ok=True)

    async def delete(self, id: str) -> None:
        if (self._disks / id).exists():
            await threads.call(shutil.rmtree, self._disks / id)

    async def present(self) -> set[str]:
        return _names(self._disks)

    async def mounted(self) -> set[str]:
        return _names(self._roots)


class NoImages:
    async def ensure(self, progress: Callable[[str], None]) -> None:
        progress("no image is needed")

    def environment(self) -> Mapping[str, str]:
        return {}


def _archive(disk: Path, target: Path) -> None:
    with tarfile.open(target, "x") as archive:
        archive.add(disk, ".")


def _names(directory: Path) -> set[str]:
    return {entry.name for entry in directory.iterdir()} if directory.is_dir() else set()
