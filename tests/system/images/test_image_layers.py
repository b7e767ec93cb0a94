"""The base image dressed for a host, and the disks that are cloned from it."""

from __future__ import annotations

import asyncio
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from oc.host import loop, mounts
from oc.model.errors import NotFound, Unavailable
from oc.settings import Settings
from oc.worker.disks import Disks
from oc.worker.images import Images
from oc.worker.recipe import BASE
from tests.system.base import DISK_MB, shared_pool


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """A worker's, with a data directory of its own that has the base image but no more."""
    shared = shared_pool()
    data_dir = shared / "scratch" / uuid.uuid4().hex
    templates = data_dir / "pool" / "templates"
    templates.mkdir(parents=True)
    base = f"base-{BASE.key()}.img"
    subprocess.run(["cp", "--reflink=always", shared / "pool" / "templates" / base, templates / base], check=True)
    yield Settings(data_dir=data_dir, run_dir=tmp_path / "run", default_disk_mb=DISK_MB, disk_reserve_mb=0)
    for point in [*mounts.under(data_dir), *mounts.under(tmp_path)]:
        subprocess.run(["umount", point], check=True)
    subprocess.run(["rm", "-r", data_dir], check=True)


def silent(_: str) -> None:
    """Progress is for people."""


async def ready(settings: Settings) -> Images:
    images = Images(settings)
    await images.ensure(silent)
    return images


def names(settings: Settings) -> set[str]:
    return {path.name for path in (settings.data_dir / "pool" / "templates").iterdir()}


def test_a_disk_has_what_the_host_and_the_contract_say(settings: Settings) -> None:
    async def work() -> None:
        disks = Disks(settings, await ready(settings))
        await disks.create("sb-00000001", "python", DISK_MB)
        root = await disks.mount("sb-00000001")
        check_contents(root, settings)
        assert DISK_MB * 0.9 < size_mb(root) <= DISK_MB
        assert await disks.mounted() == await disks.present() == {"sb-00000001"}
        await disks.unmount("sb-00000001")
        await disks.delete("sb-00000001")
        assert await disks.mounted() == await disks.present() == set()
        await disks.unmount("sb-00000001")
        await disks.delete("sb-00000001")
        assert not [file for file in loop.backing_files().values() if settings.data_dir in file.parents]

    asyncio.run(work())


def check_contents(root: Path, settings: Settings) -> None:
    assert (root / ".oc/agent").read_bytes() == settings.agent.read_bytes()
    assert (root / ".oc/agent").stat().st_mode & 0o777 == 0o755
    assert (root / "etc/resolv.conf").read_text() == f"nameserver {settings.network[1]}\n"
    assert (root / "home/sandbox").stat().st_uid == 1000
    assert (root / "workspace").readlink() == Path("/home/sandbox")
    assert (root / "etc/sudoers.d/sandbox").stat().st_mode & 0o777 == 0o440
    assert (root / "tmp").is_dir()
    programs = {path.name for path in (root / "usr/bin").iterdir()}
    for program in ("python3", "python", "pip", "node", "npm", "git", "curl", "gcc", "tmux"):
        assert program in programs
    for link in (root / "usr/local/share/ca-certificates").iterdir():
        assert link.read_text().strip() in (root / "etc/ssl/certs/ca-certificates.crt").read_text()


def size_mb(root: Path) -> float:
    out = subprocess.run(["df", "-m", "--output=size", root], capture_output=True, text=True, check=True).stdout
    return float(out.split()[-1])


def test_disks_are_apart_and_a_snapshot_is_of_its_moment(settings: Settings) -> None:
    async def work() -> None:
        disks = Disks(settings, await ready(settings))
        roots = []
        for id in ("sb-00000001", "sb-00000002"):
            await disks.create(id, "base", DISK_MB)
            roots.append(await disks.mount(id))
        (roots[0] / "root/x").write_text("first")
        assert not (roots[1] / "root/x").exists()
        target = settings.data_dir / "pool/disks/sb-00000003.img"
        await disks.snapshot("sb-00000001", target)
        (roots[0] / "root/x").write_text("second")
        assert (await disks.mount("sb-00000003") / "root/x").read_text() == "first"
        with pytest.raises(FileExistsError):
            await disks.create("sb-00000001", "base", DISK_MB)
        assert await disks.mount("sb-00000001") == roots[0]
        for id in await disks.mounted():
            await disks.unmount(id)

    asyncio.run(work())


def test_a_killed_preparation_leaves_nothing_that_stays(settings: Settings) -> None:
    """Half images go at the next start; templates of another dressing go with them."""

    async def work() -> None:
        await ready(settings)
        made = names(settings)
        work = settings.data_dir / "pool/templates/.new-killed"
        (work / "etc").mkdir(parents=True)
        (work / "base.tar").write_text("half")
        (settings.data_dir / "pool/templates/0123456789abcdef-4096.img").write_text("of another host")
        await ready(settings)
        assert names(settings) == made

    asyncio.run(work())


def test_what_cannot_be_had_is_said(settings: Settings) -> None:
    async def work() -> None:
        images = Images(settings)
        with pytest.raises(Unavailable):
            await images.template("base", DISK_MB)
        with pytest.raises(NotFound, match="template not found: nonsense"):
            await images.template("nonsense", DISK_MB)
        await images.ensure(silent)
        assert await images.template("ubuntu", DISK_MB) == await images.template("node", DISK_MB)
        with pytest.raises(Unavailable, match="1024 MB cannot hold"):
            await images.template("base", 1024)
        full = Settings(data_dir=settings.data_dir, run_dir=settings.run_dir, disk_reserve_mb=1 << 40)
        with pytest.raises(Unavailable, match=str(1 << 40)):
            await Disks(full, images).create("sb-00000001", "base", DISK_MB)
        assert await Disks(full, images).present() == set()

    asyncio.run(work())
