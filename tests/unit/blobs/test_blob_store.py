"""Artifacts in an object store: stored once, read back whole, never lost to a fault or a sweep."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from oc.blobs.errors import BlobCorrupt, BlobMissing, BlobUnavailable
from oc.blobs.manifest import CHUNK, chunk_key
from oc.blobs.store import Base, BlobStore
from tests.unit.blobs.faulty import Faulty


@pytest.fixture
def objects() -> Faulty:
    return Faulty()


@pytest.fixture
def store(objects: Faulty) -> BlobStore:
    return BlobStore(objects)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Five chunks of data, two of zeros, and a tail."""
    path = tmp_path / "disk.img"
    path.write_bytes(random.Random(1).randbytes(5 * CHUNK) + bytes(2 * CHUNK) + b"tail")
    return path


def fetched(store: BlobStore, name: str, into: Path, *bases: Base) -> dict[str, bytes]:
    into.mkdir(parents=True)
    asyncio.run(store.fetch(name, into, bases=bases))
    return {path.name: path.read_bytes() for path in into.iterdir()}


def test_files_come_back_byte_for_byte(store: BlobStore, disk: Path, tmp_path: Path) -> None:
    memory = tmp_path / "pages"
    memory.write_bytes(b"")
    put = asyncio.run(store.put("one", {"disk": disk, "memory/pages": memory}))
    assert put.plain == 5 * CHUNK + 4
    asyncio.run(store.fetch("one", tmp_path / "out"))
    assert (tmp_path / "out" / "disk").read_bytes() == disk.read_bytes()
    assert (tmp_path / "out" / "memory" / "pages").read_bytes() == b""


def test_zeros_and_holes_take_no_space(store: BlobStore, tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.truncate(1 << 34)
        file.write(bytes(3 * CHUNK))
    assert asyncio.run(store.put("empty", {"disk": sparse})).plain == 0


def test_second_of_nearly_the_same_sends_only_what_changed(store: BlobStore, disk: Path, tmp_path: Path) -> None:
    asyncio.run(store.put("one", {"disk": disk}))
    changed = bytearray(disk.read_bytes())
    changed[CHUNK + 5] ^= 1
    other = tmp_path / "other"
    other.write_bytes(changed)
    put = asyncio.run(store.put("two", {"disk": other}, Base("one")))
    assert 0 < put.stored <= CHUNK + 1024
    assert fetched(store, "two", tmp_path / "out") == {"disk": bytes(changed)}


def test_pages_that_moved_are_known_again(store: BlobStore, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    memory = random.Random(2).randbytes(16 * CHUNK)
    one.write_bytes(memory)
    two.write_bytes(memory[:CHUNK] + random.Random(3).randbytes(3 * 4096) + memory[CHUNK:])
    asyncio.run(store.put("one", {"pages": one}, packed={"pages"}))
    put = asyncio.run(store.put("two", {"pages": two}, Base("one"), packed={"pages"}))
    assert put.stored < 3 * CHUNK
    assert fetched(store, "two", tmp_path / "out") == {"pages": two.read_bytes()}


@pytest.mark.parametrize("seed", range(10))
def test_fetch_upon_a_base_is_the_same(store: BlobStore, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    one, two = tmp_path / "one", tmp_path / "two"
    for path in (one, two):
        pieces = [chance.choice([b"a", b"b", b"\0"]) * CHUNK for _ in range(chance.randrange(6))]
        path.write_bytes(b"".join(pieces) + b"x" * chance.randrange(100))
        asyncio.run(store.put(path.name, {"disk": path}))
    assert fetched(store, "two", tmp_path / "out", Base("one", {"disk": one})) == {"disk": two.read_bytes()}


def test_a_changed_chunk_is_noticed(objects: Faulty, store: BlobStore, disk: Path, tmp_path: Path) -> None:
    asyncio.run(store.put("one", {"disk": disk}))
    manifest = asyncio.run(store.manifest("one"))
    keys = [chunk_key(key) for key in manifest.files["disk"].chunks.values()]
    asyncio.run(objects.put(keys[0], asyncio.run(objects.get(keys[1]))))
    with pytest.raises(BlobCorrupt):
        fetched(store, "one", tmp_path / "out")


def test_garbage_for_a_manifest_is_noticed(objects: Faulty, store: BlobStore, tmp_path: Path) -> None:
    asyncio.run(objects.put("manifests/bad", os.urandom(100)))
    with pytest.raises(BlobCorrupt):
        fetched(store, "bad", tmp_path / "out")


def test_unknown_is_said_so(store: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(BlobMissing, match="none"):
        fetched(store, "none", tmp_path / "out")


@pytest.mark.parametrize("name", ["", "../up", "UPPER", "a/b", "a" * 200])
def test_a_name_is_a_name(store: BlobStore, disk: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        asyncio.run(store.put(name, {"disk": disk}))


def test_put_that_fails_anywhere_acknowledges_nothing_and_can_be_repeated(
    objects: Faulty, store: BlobStore, disk: Path, tmp_path: Path
) -> None:
    asyncio.run(store.put("base", {"disk": disk}))
    other = tmp_path / "other"
    other.write_bytes(disk.read_bytes()[:CHUNK] + b"new" * CHUNK)
    failures = 0
    for call in range(100):
        objects.heal()
        objects.fails_at = call
        try:
            asyncio.run(store.put("two", {"disk": other}, Base("base", {"disk": disk})))
        except BlobUnavailable:
            failures += 1
            objects.heal()
            assert "two" not in asyncio.run(store.names())
        else:
            break
    assert failures > 3
    objects.heal()
    assert fetched(store, "two", tmp_path / "out") == {"disk": other.read_bytes()}


def test_sweep_takes_what_nothing_names_and_no_more(store: BlobStore, disk: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(disk.read_bytes()[: 2 * CHUNK] + b"z" * CHUNK)
    asyncio.run(store.put("one", {"disk": disk}))
    asyncio.run(store.put("two", {"disk": other}))
    asyncio.run(store.delete("one"))
    assert asyncio.run(store.sweep()) == 0, "young chunks may be relied on"
    assert asyncio.run(store.sweep(keep_s=-1)) == 4
    assert fetched(store, "two", tmp_path / "out") == {"disk": other.read_bytes()}


def test_sweep_takes_nothing_while_a_manifest_cannot_be_read(objects: Faulty, store: BlobStore, disk: Path) -> None:
    asyncio.run(store.put("one", {"disk": disk}))
    manifest = asyncio.run(objects.get("manifests/one"))
    asyncio.run(objects.put("manifests/one", b"damaged"))
    with pytest.raises(BlobCorrupt):
        asyncio.run(store.sweep(keep_s=-1))
    asyncio.run(objects.put("manifests/one", manifest))
    assert asyncio.run(store.sweep(keep_s=-1)) == 0


def test_sweep_spares_the_base_of_a_put_that_goes_on(store: BlobStore, disk: Path, tmp_path: Path) -> None:
    """Its base is deleted and everything swept in the middle of the put: what the put relies on is still there."""

    async def work() -> None:
        await store.put("one", {"disk": disk})
        async with store._held(Base("one")) as manifest:
            assert manifest
            await store.delete("one")
            await store.sweep(keep_s=3600)
        await store.put("two", {"disk": disk}, Base("one"))
        await store.fetch("two", tmp_path / "out")

    asyncio.run(work())
    assert (tmp_path / "out" / "disk").read_bytes() == disk.read_bytes()
