"""The way of artifacts to the blob store and back: in the background, one after another, and for as long as it takes.

An artifact that is `storing` is whole on this host; while the blob store is away it stays so, with the reason in its
record, and is tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import structlog

from oc.blobs.errors import BlobMissing, BlobUnavailable
from oc.blobs.store import Base, BlobStore
from oc.host import threads
from oc.model.artifact import Artifact
from oc.model.errors import NotFound, OpenComputerError, Unavailable
from oc.worker.shelf import DISK, RECORD, TRAVELS, Contents, Shelf

TEMPLATE = "template-"  # begins the names of templates, as bases and in the blob store
RETRY_S = 5.0
MOST_BASES = 8  # that are looked at for what is the same, the newest
SWEEP_EVERY_S = 3600.0

log = structlog.get_logger()


class Storing:
    """`templates`: where what disks are cloned from lies; `keep_bytes`: most that is kept here beside the store."""

    def __init__(self, shelf: Shelf, blobs: BlobStore, templates: Path, keep_bytes: int) -> None:
        self._shelf, self._blobs, self._templates, self._keep_bytes = shelf, blobs, templates, keep_bytes
        self._known: set[str] = set()  # templates that the blob store has
        self._wake = asyncio.Event()
        self._fetches: dict[str, asyncio.Task[None]] = {}
        self._in_use: dict[str, int] = {}
        self._dropping = asyncio.Lock()  # nobody begins to use what is being dropped

    async def run(self) -> None:
        """Stores whatever waits, until it is cancelled."""
        while True:
            self._wake.clear()
            waits = [await self._attempt(id) for id in await threads.call(self._waiting)]
            await self._bound()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), RETRY_S if any(waits) else None)

    async def _bound(self) -> None:
        try:
            async with self._dropping:
                await threads.call(self._trim)
        except OSError as error:  # the cache stays as large as it is until the next time
            log.warning("artifacts_not_dropped", reason=str(error))

    async def _attempt(self, id: str) -> bool:
        """Whether it has to be tried again. One artifact's trouble is not another's."""
        try:
            with self._using(id):
                return await self._store(id)
        except NotFound:
            return False  # deleted before its turn came
        except Exception:  # whatever it is, the others must be stored
            log.exception("artifact_waits", artifact=id)
            return True

    async def tidy(self) -> None:
        """Takes from the blob store, now and then, the chunks that nothing names, until it is cancelled."""
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            try:
                await self._forget_templates()
                log.info("blobs_swept", chunks=await self._blobs.sweep())
            except OpenComputerError as error:
                log.warning("blobs_not_swept", reason=error.text)

    async def _forget_templates(self) -> None:
        """Of those that are made no more. Artifacts name their chunks themselves."""
        for name in await self._blobs.names():
            if name.startswith(TEMPLATE) and not (self._templates / f"{name.removeprefix(TEMPLATE)}.img").exists():
                await self._blobs.delete(name)
                self._known.discard(name)

    def nudge(self) -> None:
        """There is something new to store."""
        self._wake.set()

    def _waiting(self) -> list[str]:
        return [record.id for record in self._shelf.records() if record.state == "storing"]

    async def _store(self, id: str) -> bool:
        contents, files = await threads.call(lambda: (self._shelf.contents(id), self._shelf.files(id)))
        try:
            put = await self._blobs.put(id, files, await self._base(contents), files.keys() - {DISK})
        except BlobUnavailable as error:
            await threads.call(self._note, id, reason=error.text)
            log.warning("artifact_waits", artifact=id, reason=error.text)
            return True
        except OSError as error:
            reason = f"its files on this host cannot be read: {error.strerror}"
            await threads.call(self._note, id, state="failed", reason=reason)
            return False
        stored = {"plain_bytes": put.plain, "stored_bytes": put.stored}
        await threads.call(self._note, id, state="stored", reason=None, **stored)
        log.info("artifact_stored", artifact=id, sandbox=contents.sandbox, **stored)
        return False

    def _note(self, id: str, **changes: object) -> None:
        self._shelf.note(msgspec.structs.replace(self._shelf.record(id), **changes))

    async def _base(self, contents: Contents) -> Base | None:
        name = contents.base
        if name is None:
            return None
        if name.startswith(TEMPLATE):
            return await self._template(name)
        here = await threads.call(self._shelf.has, name)
        return Base(name, await threads.call(self._shelf.files, name) if here else {})

    async def _template(self, name: str) -> Base | None:
        """Stored with the first sandbox made from it that is saved, so that of the others only what is new is read."""
        disk = self._templates / f"{name.removeprefix(TEMPLATE)}.img"
        if not disk.exists():
            return None
        if name not in self._known:
            try:
                if name not in await self._blobs.names():
                    await self._blobs.put(name, {DISK: disk})
            except OSError:  # removed meanwhile: it is made no more
                return None
            self._known.add(name)
        return Base(name, {DISK: disk})

    @contextlib.asynccontextmanager
    async def holding(self, id: str) -> AsyncIterator[Path]:
        """The artifact's directory on this host, fetched when it is not there, kept while the context lasts.

        Raises NotFound, BlobUnavailable, BlobCorrupt.
        """
        with self._using(id):
            async with self._dropping:  # what is being dropped is gone afterwards
                here = self._shelf.has(id)
            if not here:
                await self._fetch(id)
            yield self._shelf.path(id)

    @contextlib.contextmanager
    def _using(self, id: str) -> Iterator[None]:
        """It is neither dropped nor deleted meanwhile."""
        self._in_use[id] = self._in_use.get(id, 0) + 1
        try:
            yield
        finally:
            self._in_use[id] -= 1
            if not self._in_use[id]:
                del self._in_use[id]

    async def _fetch(self, id: str) -> None:
        """Concurrent callers share one."""
        task = self._fetches.get(id)
        if task is None:
            task = self._fetches[id] = asyncio.create_task(self._bring(id))
            task.add_done_callback(lambda _: self._fetches.pop(id, None))
        await asyncio.shield(task)

    async def _bring(self, id: str) -> None:
        into = await threads.call(self._shelf.begin, id)
        try:
            plain = await self._blobs.fetch(id, into, bases=await threads.call(self._bases))
            contents = await threads.call(_contents, into / TRAVELS)
            async with self._dropping:
                await threads.call(self._shelf.commit, id, contents, self._record(id, contents, plain))
        except BlobMissing:
            await threads.call(self._shelf.abandon, id)
            raise NotFound(f"no artifact {id}, neither on this host nor in the blob store") from None
        except BaseException:
            await threads.call(self._shelf.abandon, id)
            raise

    def _record(self, id: str, contents: Contents, plain: int) -> Artifact:
        """As it was before it was dropped, or what can be known of one that was saved elsewhere."""
        try:
            return self._shelf.record(id)
        except NotFound:
            return Artifact(id, contents.sandbox, contents.memory, contents.size, "stored", plain_bytes=plain)

    def _bases(self) -> list[Base]:
        """What may share most with an artifact that is fetched."""
        here = [id for id in self._shelf.ids() if self._shelf.has(id)]
        templates = [Base(f"{TEMPLATE}{path.stem}", {DISK: path}) for path in self._templates.glob("*.img")]
        return [*templates, *(Base(id, self._shelf.files(id)) for id in here[-MOST_BASES:])]

    async def delete(self, id: str) -> None:
        """Here and in the blob store; fine when it is nowhere.

        Raises Unavailable while it is on its way or a sandbox is made from it, and BlobUnavailable: it is there still.
        """
        if id in self._in_use or id in self._fetches:
            raise Unavailable(f"artifact {id} is in use", hint="try again later")
        with self._using(id):
            await self._blobs.delete(id)
            async with self._dropping:
                await threads.call(self._shelf.remove, id)

    def _trim(self) -> None:
        """Drops the oldest stored artifacts, that nobody uses, past the bound of the cache."""
        sizes = [(record, _allocated(self._shelf.path(record.id))) for record in self._shelf.records()]
        excess = sum(size for _, size in sizes) - self._keep_bytes
        for record, size in sizes:
            if excess <= 0:
                return
            if record.id not in self._in_use and record.state == "stored":
                self._shelf.drop(record.id)
                excess -= size


def _contents(path: Path) -> Contents:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Contents)
    except (OSError, msgspec.MsgspecError) as error:
        raise OpenComputerError(f"artifact in the blob store has no readable {TRAVELS}") from error


def _allocated(directory: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in directory.rglob("*") if path.name != RECORD)
