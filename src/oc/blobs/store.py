"""Artifacts in an object store: named sets of files, as chunks that are stored once however many artifacts hold them.

An artifact exists when its manifest does, and the manifest is written last. A chunk that is there already is not sent
again, if it cannot be swept meanwhile: because it is young, or because the base that names it is held by a `pending`
record (see `sweep`).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import zstandard

from oc.blobs import cuts
from oc.blobs.errors import BlobCorrupt, BlobMissing, BlobUnavailable
from oc.blobs.manifest import CHUNK, FileMap, Manifest, chunk_key, digest, manifest_key, pack, pending_key, unpack
from oc.blobs.objects import Objects, open_objects
from oc.host import extents, reflink

Job = TypeVar("Job")

AT_ONCE = 8  # chunks in work at a time: the bound on memory, about 2 * AT_ONCE * CHUNK
YOUNG_S = 12 * 3600.0  # a chunk of this age or less is relied on; a put takes far less time than that
KEEP_S = 2 * YOUNG_S  # no chunk younger than this is swept
LEVEL = 3  # of zstd


@dataclass(frozen=True, slots=True)
class Base:
    """An artifact that is likely to share much: its name in the store and its files here, where they are here."""

    name: str
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Put:
    """`plain`: bytes that the artifact holds, without its zeros; `stored`: bytes that were sent for it."""

    plain: int
    stored: int


class BlobStore:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def put(
        self, name: str, files: Mapping[str, Path], base: Base | None = None, packed: Container[str] = ()
    ) -> Put:
        """Stores the files under a name; `packed` are those whose content moves when it changes (see `cuts`).

        Raises BlobUnavailable: then it does not exist. To put it again is no harm.
        """
        async with self._held(base) as known:
            packer = _Packer(self._objects, known.digests() if known else set())
            maps = {}
            for file, path in files.items():
                old = known.files.get(file) if known else None
                here = base.files.get(file) if base and old else None
                maps[file] = await (packer.pack_moving(path) if file in packed else packer.pack(path, old, here))
            await self._objects.put(manifest_key(name), pack(Manifest(maps)))
        return Put(sum(each.plain for each in maps.values()), packer.stored)

    @asynccontextmanager
    async def _held(self, base: Base | None) -> AsyncIterator[Manifest | None]:
        """The base's manifest, with its chunks safe from a sweep for as long as they are relied on."""
        manifest = await self._hint(base)
        if base is None or manifest is None:
            yield None
            return
        hold = pending_key(uuid.uuid4().hex)
        await self._objects.put(hold, pack(manifest))
        try:
            # Only a base that is still there after the hold was written was named by something at every moment.
            yield await self._hint(base)
        finally:
            await self._drop(hold)

    async def _hint(self, base: Base | None) -> Manifest | None:
        """A base only saves work: one that cannot be read is none."""
        try:
            return await self._find(base.name) if base else None
        except BlobCorrupt:
            return None

    async def _drop(self, hold: str) -> None:
        try:
            await self._objects.delete(hold)
        except BlobUnavailable:
            return  # a hold that stays is swept once it is old; the artifact itself is stored

    async def fetch(self, name: str, into: Path, *, bases: Iterable[Base] = ()) -> int:
        """Writes an artifact's files to a directory, and to disk. A base that is here saves reading what is the same.

        Returns how many bytes it holds, without its zeros.

        Raises BlobMissing, BlobCorrupt, BlobUnavailable; what was written until then is the caller's to remove.
        """
        manifest = await self.manifest(name)
        known = [(base, found) for base in bases if (found := await self._hint(base))]
        for file, wanted in manifest.files.items():
            seed = _seed(file, wanted, known)
            await self._fetch_file(into / file, wanted, seed)
        return sum(file.plain for file in manifest.files.values())

    async def _fetch_file(self, path: Path, wanted: FileMap, seed: tuple[Path, FileMap] | None) -> None:
        await asyncio.to_thread(_prepare, path, wanted.size, seed[0] if seed else None)
        have = seed[1].chunks if seed else {}
        stale = {start for start in have if start not in wanted.chunks}
        missing = [(start, key) for start, key in wanted.chunks.items() if have.get(start) != key]
        descriptor = os.open(path, os.O_RDWR)
        try:
            await asyncio.to_thread(_clear, descriptor, stale, wanted.size)
            await _each(missing, lambda job: self._fetch_chunk(descriptor, *job))
            await asyncio.to_thread(os.fsync, descriptor)
        finally:
            os.close(descriptor)

    async def _fetch_chunk(self, descriptor: int, start: int, key: bytes) -> None:
        frame = await self._objects.get(chunk_key(key))
        await asyncio.to_thread(_write_chunk, descriptor, start, key, frame)

    async def manifest(self, name: str) -> Manifest:
        """Raises BlobMissing, BlobCorrupt."""
        found = await self._find(name)
        if found is None:
            raise BlobMissing(f"no artifact {name} in the blob store")
        return found

    async def _find(self, name: str) -> Manifest | None:
        return await self._read(manifest_key(name))

    async def _read(self, key: str) -> Manifest | None:
        """None when there is no such object. Raises BlobCorrupt."""
        try:
            return unpack(await self._objects.get(key))
        except BlobMissing:
            return None
        except ValueError as error:
            raise BlobCorrupt(f"{key} in the blob store: {error}") from error

    async def delete(self, name: str) -> None:
        """The artifact is gone at once, its chunks with a later sweep. One that is not there is fine."""
        await self._objects.delete(manifest_key(name))

    async def names(self) -> set[str]:
        return {found.key.removeprefix("manifests/") async for found in self._objects.under("manifests")}

    async def sweep(self, keep_s: float = KEEP_S) -> int:
        """Deletes chunks that nothing names and that nobody relies on; returns how many.

        Chunks are listed first, then the manifests: what became named in between is kept. A writer relies on a chunk
        only while it is younger than half of `keep_s`, and sends an older one again, which makes it young: its age is
        asked for once more right before it goes. Raises BlobCorrupt, before anything is deleted, when a manifest cannot
        be read: what it names is not known.
        """
        old = [found async for found in self._objects.under("chunks") if found.age_s > keep_s]
        named = await self._named(keep_s)
        swept = 0
        for found in old:
            if bytes.fromhex(found.key.rpartition("/")[2]) in named:
                continue
            now = await self._objects.find(found.key)
            if now and now.age_s > keep_s:
                await self._objects.delete(found.key)
                swept += 1
        return swept

    async def _named(self, keep_s: float) -> set[bytes]:
        named: set[bytes] = set()
        for prefix in ("pending", "manifests"):
            async for found in self._objects.under(prefix):
                if prefix == "pending" and found.age_s > keep_s:
                    await self._objects.delete(found.key)
                    continue
                if manifest := await self._read(found.key):  # or it was deleted since it was listed
                    named |= manifest.digests()
        return named


class _Packer:
    def __init__(self, objects: Objects, held: set[bytes]) -> None:
        self._objects, self._held = objects, held
        self._sent: dict[bytes, asyncio.Task[None]] = {}
        self.stored = 0

    async def pack(self, path: Path, old: FileMap | None, old_path: Path | None) -> FileMap:
        """A file that changes in place; what lies where it lay in `old_path` is taken from its map, unread."""
        size, chunks = await asyncio.to_thread(_cut, path, cuts.fixed)
        same = await asyncio.to_thread(_unchanged, path, old_path) if old and old_path else set()
        known = {start: old.chunks[start] for start, _ in chunks if old and start in same and start in old.chunks}
        changed = [chunk for chunk in chunks if chunk[0] not in same]
        return await self._pack(path, size, changed, known)

    async def pack_moving(self, path: Path) -> FileMap:
        size, chunks = await asyncio.to_thread(_cut, path, cuts.by_content)
        return await self._pack(path, size, chunks, {})

    async def _pack(self, path: Path, size: int, chunks: list[tuple[int, int]], known: dict[int, bytes]) -> FileMap:
        plain = sum(min(CHUNK, size - start) for start in known)
        found = dict(known)
        descriptor = os.open(path, os.O_RDONLY)
        try:

            async def take(chunk: tuple[int, int]) -> None:
                nonlocal plain
                if key := await self._chunk(descriptor, *chunk):
                    found[chunk[0]] = key
                    plain += chunk[1] - chunk[0]

            await _each(chunks, take)
        finally:
            os.close(descriptor)
        return FileMap(size, plain, found)

    async def _chunk(self, descriptor: int, start: int, end: int) -> bytes | None:
        plain, key = await asyncio.to_thread(_read_chunk, descriptor, start, end)
        if key is None or key in self._held:
            return key
        if key not in self._sent:
            self._sent[key] = asyncio.ensure_future(self._send(key, plain))
        await self._sent[key]
        return key

    async def _send(self, key: bytes, plain: bytes) -> None:
        found = await self._objects.find(chunk_key(key))
        if found is None or found.age_s > YOUNG_S:
            frame = await asyncio.to_thread(zstandard.ZstdCompressor(LEVEL).compress, plain)
            await self._objects.put(chunk_key(key), frame)
            self.stored += len(frame)


async def _each(jobs: Iterable[Job], work: Callable[[Job], Awaitable[None]]) -> None:
    """Works on AT_ONCE jobs at a time; the first error ends the rest and is raised as it is."""
    queue = iter(jobs)

    async def take() -> None:
        for job in queue:
            await work(job)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(take())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


def _seed(file: str, wanted: FileMap, known: list[tuple[Base, Manifest]]) -> tuple[Path, FileMap] | None:
    """Of the bases that are here, the one that shares most."""
    best, most = None, 0
    for base, manifest in known:
        path, have = base.files.get(file), manifest.files.get(file)
        if path is None or have is None or not path.exists() or any(start % CHUNK for start in have.chunks):
            continue
        same = sum(have.chunks.get(start) == key for start, key in wanted.chunks.items())
        if same > most:
            best, most = (path, have), same
    return best


def _prepare(path: Path, size: int, seed: Path | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if seed and reflink.supported(path.parent):
        reflink.clone(seed, path)
    elif seed:
        shutil.copyfile(seed, path)
    with path.open("r+b" if seed else "wb") as file:
        file.truncate(size)


def _clear(descriptor: int, stale: set[int], size: int) -> None:
    for start in stale:
        if start < size:
            os.pwrite(descriptor, bytes(min(CHUNK, size - start)), start)


def _write_chunk(descriptor: int, start: int, key: bytes, frame: bytes) -> None:
    try:
        plain = zstandard.ZstdDecompressor().decompress(frame, max_output_size=CHUNK)
    except zstandard.ZstdError:
        plain = b""
    if digest(plain) != key:
        raise BlobCorrupt(f"chunk {key.hex()} of the blob store is not what was written")
    os.pwrite(descriptor, plain, start)


def _read_chunk(descriptor: int, start: int, end: int) -> tuple[bytes, bytes | None]:
    """The chunk and its digest; no digest for zeros."""
    plain = os.pread(descriptor, end - start, start)
    if not plain.strip(b"\0"):
        return b"", None
    return plain, digest(plain)


def _cut(path: Path, cut: Callable[[int, int], Iterator[tuple[int, int]]]) -> tuple[int, list[tuple[int, int]]]:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return size, list(cut(file.fileno(), size))


def _unchanged(path: Path, old: Path) -> set[int]:
    """First bytes of fixed chunks that lie at the same place in both files, whole."""
    same: set[int] = set()
    for start, end in extents.shared(path, old):
        same.update(range(-(-start // CHUNK) * CHUNK, end // CHUNK * CHUNK, CHUNK))
    return same


def open_store(url: str, *, patience_s: float = 30.0) -> BlobStore:
    return BlobStore(open_objects(url, patience_s=patience_s))
