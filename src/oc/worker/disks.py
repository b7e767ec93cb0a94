"""Sandboxes' disks: one file each, a clone of a template, mounted while its sandbox runs.

A disk that a sandbox has touched is hostile: the host mounts it without devices and set-uid bits, and follows no path
in it.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Protocol

import structlog

from oc.host import loop, mounts, pool, process, reflink, threads
from oc.model.errors import Unavailable
from oc.settings import Settings

log = structlog.get_logger()

COPIES_S, COPIES_STEP_S = 3.0, 0.02
HINT = "kill sandboxes that are no longer needed, or give the pool more space"


class Templates(Protocol):
    async def template(self, image: str, disk_mb: int) -> Path: ...


class Disks:
    def __init__(self, settings: Settings, images: Templates) -> None:
        self._images = images
        self._pool = settings.data_dir / "pool"
        self._disks = self._pool / "disks"
        self._roots = settings.run_dir / "roots"
        self._reserve_mb = settings.disk_reserve_mb

    async def create(self, id: str, image: str, disk_mb: int) -> str:
        """Returns the template's name. Raises NotFound (no such image), Unavailable (the pool is full) and OSError."""
        template = await self._images.template(image, disk_mb)
        await threads.call(self._clone, id, template)
        return template.stem

    async def adopt(self, id: str, disk: Path) -> None:
        """As `create`, from a disk in the pool: that of an artifact."""
        await threads.call(self._clone, id, disk)

    def _clone(self, id: str, source: Path) -> None:
        free_mb = pool.free_mb(self._pool)
        if free_mb < self._reserve_mb:
            text = (
                f"no room for the disk of {id}: {free_mb} MB of the pool are free, {self._reserve_mb} MB must stay so"
            )
            raise Unavailable(text, hint=HINT)
        self._disks.mkdir(mode=0o700, exist_ok=True)
        reflink.clone(source, self._file(id))

    async def mount(self, id: str) -> Path:
        """Where the disk is mounted; one that is mounted already stays so. Raises Unavailable and OSError."""
        root = self._roots / id
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if await threads.call(mounts.mounted, root):
            return root
        if await threads.call(self._in_use, id):  # two file systems on one disk would ruin it
            raise Unavailable(f"the disk of {id} is still mounted in another mount namespace", hint="try again later")
        await mounts.mount_image(self._file(id), root)
        return root

    async def unmount(self, id: str) -> None:
        """Fine when it is not mounted. Afterwards nothing of the kernel's holds the disk.

        A namespace that was made while it was mounted, as every start of a sandbox makes one for a moment, has a copy
        of the mount, which may outlast ours. One that stays is no reason to keep the sandbox.
        """
        root = self._roots / id
        if root.exists():
            await mounts.unmount(root)
            root.rmdir()
        deadline = time.monotonic() + COPIES_S
        while await threads.call(self._in_use, id):
            if time.monotonic() > deadline:
                log.warning("disk still in use in another mount namespace", sandbox=id)
                return
            await asyncio.sleep(COPIES_STEP_S)

    def _in_use(self, id: str) -> bool:
        return Path(os.path.realpath(self._file(id))) in loop.backing_files().values()

    async def delete(self, id: str) -> None:
        """Fine when there is none; it must not be mounted."""
        await threads.call(self._file(id).unlink, missing_ok=True)

    async def snapshot(self, id: str, target: Path) -> None:
        """A clone of a mounted disk in a new file of the pool, consistent if the sandbox is paused meanwhile."""
        await process.run("sync", "--file-system", self._roots / id)
        await threads.call(reflink.clone, self._file(id), target)

    async def present(self) -> set[str]:
        return {path.stem for path in self._disks.glob("*.img")}

    async def mounted(self) -> set[str]:
        """Ids of all that is mounted, or was going to be."""
        return {path.name for path in self._roots.iterdir()} if self._roots.is_dir() else set()

    def _file(self, id: str) -> Path:
        return self._disks / f"{id}.img"
