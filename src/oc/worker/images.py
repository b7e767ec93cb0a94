"""Images: from Debian's packages to a disk that a sandbox's is cloned from, in three layers, each made once.

`base-KEY.img` is the recipe's file system, `dressed-KEY.img` adds what is the host's, `KEY-SIZE.img` is that one at the
size of a disk. A file bears its name only when it is whole; all else begins with a dot and goes at the next start.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from oc.host import apt, pool, process, reflink, threads
from oc.host.durable import sync_directory
from oc.model.errors import NotFound, Unavailable
from oc.settings import Settings
from oc.worker import dressing
from oc.worker.recipe import BASE, Recipe

BUILT_IN = frozenset({"base", "default", "ubuntu", "python", "node"})  # contract 2.1.1: all are the base image
DEBIAN_S = 3600  # for Debian's packages to come, over a slow line
UNPACK_S = 600

# Mounts of these programs are theirs alone. On the host they could outlive a killed worker, whose successor would
# remove the directory with all that is mounted in it; and a copy in somebody else's namespace would keep an image
# mounted that is being checked and cloned. They and all that they start die with the worker: with the thread that waits
# for them, to be exact (PR_SET_PDEATHSIG(2const)).
APART = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
UNPACK = """\
mount -t ext4 -o loop,noatime,noinit_itable "$2" "$3"
tar --extract --numeric-owner --xattrs --xattrs-include='*' --file "$1" --directory "$3"
if [ -n "$4" ]; then mount --bind /dev "$3/dev"; chroot "$3" sh -c "$4"; umount "$3/dev"; fi
umount "$3"
"""

Progress = Callable[[str], None]


class Images:
    def __init__(self, settings: Settings, recipe: Recipe = BASE) -> None:
        self._settings = settings
        self._recipe = recipe
        self._pool = settings.data_dir / "pool"
        self._directory = self._pool / "templates"
        self._making = asyncio.Lock()
        self._dressing: dressing.Dressing | None = None

    # --- what others ask for ---

    async def ensure(self, progress: Progress) -> None:
        """Makes what is missing; minutes when the base image is, a second when the host has changed, else nothing.

        May be killed at any line: the next call starts clean. Raises ProgramFailed, Unavailable and OSError.
        """
        async with self._making:
            await pool.ensure(self._pool, self._settings.pool_mb)
            await self._sweep()
            worn = await threads.call(dressing.of_host, self._settings, self._recipe.suite)
            if not self._base.exists():
                await self._build(self._base, progress, self._make_base)
            if not self._dressed(worn).exists():
                progress("the base image gets this host's certificates, package mirrors and agent")
                await self._build(self._dressed(worn), progress, lambda path, _: self._dress(path, worn))
            self._dressing = worn
        await self.template("base", self._settings.default_disk_mb)
        await threads.call(self._discard_old)

    async def template(self, image: str, disk_mb: int) -> Path:
        """The file to clone for a new disk. Raises NotFound, and Unavailable before `ensure` has worked."""
        if image not in BUILT_IN:
            raise NotFound(f"template not found: {image}")
        async with self._making:
            path = self._directory / f"{self._key()}-{disk_mb}.img"
            if not path.exists():
                await self._build(path, _silent, lambda new, _: self._grow(new, disk_mb))
        return path

    def environment(self) -> Mapping[str, str]:
        """For every process in a sandbox, so that programs trust what the host trusts."""
        return self._worn().environment

    # --- names ---

    @property
    def _base(self) -> Path:
        return self._directory / f"base-{self._recipe.key()}.img"

    def _dressed(self, worn: dressing.Dressing) -> Path:
        return self._directory / f"dressed-{worn.key(self._recipe.key())}.img"

    def _key(self) -> str:
        return self._worn().key(self._recipe.key())

    def _worn(self) -> dressing.Dressing:
        if self._dressing is None:
            raise Unavailable("the base image is not ready", hint="try again later")
        return self._dressing

    # --- layers ---

    async def _build(self, target: Path, progress: Progress, make: Callable[[Path, Progress], Awaitable[None]]) -> None:
        """`make` writes a new file in a directory of its own, which then becomes `target`, on the disk for good."""
        work = Path(tempfile.mkdtemp(prefix=".new-", dir=self._directory))
        try:
            new = work / target.name
            await make(new, progress)
            await threads.call(_install, new, target)
        finally:
            await threads.call(shutil.rmtree, work)

    async def _make_base(self, image: Path, progress: Progress) -> None:
        recipe, tar = self._recipe, image.with_name("tar")
        sources = await threads.call(apt.sources, recipe.suite)
        count = len(recipe.packages)
        progress(f"the base image is made: {count} packages of Debian {recipe.suite} and what they need (minutes)")
        argv = [*APART, *recipe.mmdebstrap(str(tar)), *(["-"] if sources else [])]
        environ = {**os.environ, "TMPDIR": str(image.parent)}  # beside it there is room; /tmp may be memory
        await process.run(*argv, input=sources.encode() or None, timeout_s=DEBIAN_S, env=environ)
        progress("the base image is written to a disk")
        await process.run(*recipe.mke2fs(str(image)))
        await _unpack(tar, image, "")

    async def _dress(self, image: Path, worn: dressing.Dressing) -> None:
        await threads.call(reflink.clone, self._base, image)
        tar = image.with_name("tar")
        await threads.call(tar.write_bytes, worn.archive())
        await _unpack(tar, image, worn.script)
        await process.run("e2fsck", "-f", "-p", image)  # resize2fs insists on it after a mount

    async def _grow(self, image: Path, disk_mb: int) -> None:
        """An ext4 only ever grows here: its inode tables are made when they are needed."""
        if disk_mb < self._recipe.size_mb:
            raise Unavailable(
                f"a disk of {disk_mb} MB cannot hold the base image, which takes {self._recipe.size_mb} MB",
                hint="raise the setting default_disk_mb",
            )
        await threads.call(reflink.clone, self._dressed(self._worn()), image)
        os.truncate(image, disk_mb << 20)
        await process.run("resize2fs", image)

    # --- remains ---

    async def _sweep(self) -> None:
        """What a killed predecessor was making. Nothing is mounted in it: see APART."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for work in self._directory.glob(".new-*"):
            await threads.call(shutil.rmtree, work)

    def _discard_old(self) -> None:
        """Disks are clones, so none needs the template it came from."""
        current = (self._base.name, f"dressed-{self._key()}.img", f"{self._key()}-")
        for path in self._directory.glob("*.img"):
            if not path.name.startswith(current):
                path.unlink()


async def _unpack(tar: Path, image: Path, script: str) -> None:
    """Puts the files of an archive into an image, then runs a script in it."""
    root = image.with_name("root")
    root.mkdir()
    environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    await process.run(*APART, "sh", "-ec", UNPACK, "sh", tar, image, root, script, timeout_s=UNPACK_S, env=environ)


def _install(new: Path, target: Path) -> None:
    with new.open("rb") as file:
        os.fsync(file.fileno())
    new.replace(target)
    sync_directory(target.parent)


def _silent(_: str) -> None:
    """Milliseconds are not worth a line."""
