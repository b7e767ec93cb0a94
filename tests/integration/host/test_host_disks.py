"""Mounted images, loop devices, clones and the pool: made, found again, and gone without a trace."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from oc.host import durable, mounts, pool, reflink


def test_an_image_is_mounted_found_and_gone(image: Path, tmp_path: Path) -> None:
    target = tmp_path / "a b\\c"
    target.mkdir()

    async def work() -> None:
        await mounts.mount_image(image, target)
        try:
            (target / "file").write_text("kept")
            assert mounts.mounted(target)
            assert mounts.under(tmp_path) == [target]
            assert mounts.loops(tmp_path) == [image]
        finally:
            await mounts.unmount(target)
        await mounts.unmount(target)
        assert not mounts.mounted(target)
        assert mounts.loops(tmp_path) == []
        await mounts.mount_image(image, target, read_only=True)
        try:
            assert (target / "file").read_text() == "kept"
            with pytest.raises(OSError, match="Read-only"):
                (target / "other").touch()
        finally:
            await mounts.unmount(target)

    asyncio.run(work())


def test_what_cannot_be_mounted_leaves_no_loop_device(tmp_path: Path) -> None:
    image, target = tmp_path / "noise.img", tmp_path / "target"
    image.write_bytes(bytes(1 << 20))
    target.mkdir()
    with pytest.raises(OSError, match=str(target)):
        asyncio.run(mounts.mount_image(image, target))
    assert mounts.loops(tmp_path) == []


def test_a_busy_mount_is_detached_in_the_end(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "BUSY_S", 0.1)
    target = tmp_path / "target"
    target.mkdir()

    async def work() -> None:
        await mounts.mount_image(image, target)
        with (target / "held").open("w"):
            await mounts.unmount(target)
            assert not mounts.mounted(target)

    asyncio.run(work())
    assert mounts.loops(tmp_path) == []


def test_mounts_at_once_take_different_devices(tmp_path: Path, image: Path) -> None:
    targets = [tmp_path / f"t{n}" for n in range(8)]
    copies = [tmp_path / f"{n}.img" for n in range(8)]
    for target, copy in zip(targets, copies, strict=True):
        target.mkdir()
        copy.write_bytes(image.read_bytes())

    async def work() -> None:
        try:
            await asyncio.gather(*(mounts.mount_image(*pair) for pair in zip(copies, targets, strict=True)))
            assert set(mounts.under(tmp_path)) == set(targets)
        finally:
            await asyncio.gather(*(mounts.unmount(target) for target in targets))

    asyncio.run(work())
    assert mounts.loops(tmp_path) == []


def test_the_pool_is_made_once_and_keeps_its_files(tmp_path: Path) -> None:
    directory = tmp_path / "data" / "pool"

    async def work() -> None:
        await pool.ensure(directory, 300)
        made = not reflink.supported(tmp_path)  # else the data directory itself clones, and is the pool
        try:
            (directory / "one").write_bytes(b"block" * 5000)
            reflink.clone(directory / "one", directory / "two")
            await pool.ensure(directory, 300)
            assert mounts.mounted(directory) == made
            assert 0 < pool.free_mb(directory) <= pool.free_mb(tmp_path)
        finally:
            await pool.release(directory)
        await pool.release(directory)
        assert not mounts.mounted(directory)
        await pool.ensure(directory, 300)
        try:
            assert (directory / "two").read_bytes() == b"block" * 5000
        finally:
            await pool.release(directory)

    asyncio.run(work())
    assert mounts.loops(tmp_path) == []


def test_a_clone_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x")
    with pytest.raises(OSError, match=r".*"):
        reflink.clone(tmp_path / "source", Path("/dev/shm") / f"clone-{tmp_path.name}")  # another file system
    assert not (Path("/dev/shm") / f"clone-{tmp_path.name}").exists()


def test_a_durable_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "record"
    durable.write_file(path, b"one")
    durable.write_file(path, b"two", mode=0o640)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o640
    with pytest.raises(IsADirectoryError):
        durable.write_file(tmp_path, b"three")
    assert [entry.name for entry in tmp_path.iterdir()] == ["record"]
