"""Artifacts on their way to the blob store and back: whatever fails, what was acknowledged is whole somewhere."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from oc.blobs.errors import BlobUnavailable
from oc.blobs.manifest import CHUNK, manifest_key
from oc.blobs.objects import MISSING, Missing
from oc.blobs.store import BlobStore
from oc.host import durable
from oc.model.artifact import Artifact
from oc.model.errors import NotFound, Unavailable
from oc.model.sandbox import Size
from oc.worker import saves
from oc.worker.journal import Record, Step
from oc.worker.sandbox import Sandbox
from oc.worker.shelf import DISK, HALF, MEMORY, RECORD, TRAVELS, Contents, Shelf
from oc.worker.storing import TEMPLATE, Storing
from tests.unit.blobs.faulty import Faulty
from tests.unit.worker import memory
from tests.unit.worker.memory import ID, SPEC, parts

ONE, TWO, THREE = (f"{number}0000000-0000-4000-8000-000000000000" for number in (1, 2, 3))
SIZE = Size(cpus=1.0, memory_mb=64, disk_mb=64)
CONTENTS = Contents("sb-00000001", SIZE, {"A": "1"}, memory=True, build="some", token="00")
SHARED = random.Random(0).randbytes(2 * CHUNK)
ALL = 1 << 40  # bytes to keep: all
PATIENCE_S = 60.0  # only ever reached by a failing test
MOST_CALLS = 200


class Gated(Faulty):
    """A call whose deed has `stops_at` in it waits until `gate` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.stops_at = ""
        self.reached, self.gate = asyncio.Event(), asyncio.Event()

    async def _try(self, deed: str, call: Callable[[], Awaitable[Any]], missing: Missing = MISSING) -> Any:
        if self.stops_at and self.stops_at in deed:
            self.reached.set()
            await self.gate.wait()
        return await super()._try(deed, call, missing)


class Host:
    """A shelf and its way to the blob store; several may share one store."""

    def __init__(self, directory: Path, objects: Faulty, keep_bytes: int = ALL) -> None:
        self.directory, self.objects, self.blobs = directory / "artifacts", objects, BlobStore(objects)
        self.templates = directory / "templates"
        self.templates.mkdir(parents=True, exist_ok=True)
        self.shelf = Shelf(self.directory)
        self.shelf.open()
        self.keep(keep_bytes)

    def keep(self, keep_bytes: int) -> None:
        self.storing = Storing(self.shelf, self.blobs, self.templates, keep_bytes)

    def save(self, id: str, base: str | None = None) -> dict[str, bytes]:
        """A new artifact; what a blob store must give back of it. Those with a base share most of it."""
        own, into = random.Random(id), self.shelf.begin(id)
        (into / DISK).write_bytes(SHARED + bytes(CHUNK) + own.randbytes(CHUNK + 1))
        (into / MEMORY).mkdir()
        (into / MEMORY / "pages").write_bytes(own.randbytes(1000))
        contents = msgspec.structs.replace(CONTENTS, base=base)
        self.shelf.commit(id, contents, Artifact(id, CONTENTS.sandbox, True, SIZE, "storing", paused_ms=7))
        return self.files(id)

    def files(self, id: str) -> dict[str, bytes]:
        return {name: path.read_bytes() for name, path in self.shelf.files(id).items()}

    def names(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir())

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.storing.run())
        try:
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, id: str, condition: Callable[[Artifact], bool]) -> Artifact:
        await until(lambda: condition(self.shelf.record(id)))
        return self.shelf.record(id)

    async def stored(self, id: str) -> Artifact:
        """Asks for it at once, instead of in its time."""
        self.storing.nudge()
        return await self.until(id, lambda record: record.state == "stored")

    async def fetched(self, id: str) -> dict[str, bytes]:
        async with self.storing.holding(id) as path:
            assert path == self.shelf.path(id)
            return self.files(id)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - it is seen on the disk only
            await asyncio.sleep(0.005)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


# --- to the blob store -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [ONE, f"{TEMPLATE}some"])
def test_store_that_fails_at_any_call_is_waited_for(tmp_path: Path, base: str) -> None:
    """While it fails the artifact is `storing`, with the reason; then it is stored, and whole."""

    async def attempt(directory: Path, call: int) -> bool:
        """Whether the call was reached, and its failure mattered."""
        host = Host(directory / "here", Faulty())
        (host.templates / "some.img").write_bytes(SHARED)
        host.save(ONE)
        async with host.at_work():
            await host.stored(ONE)
            saved = host.save(TWO, base=base)
            host.objects.calls, host.objects.fails_at = 0, call
            host.storing.nudge()
            record = await host.until(TWO, lambda record: record.state != "storing" or record.reason is not None)
            failed = record.state == "storing"
            if failed:
                assert "could not" in (record.reason or "")
            host.objects.heal()
            record = await host.stored(TWO)
        assert record.reason is None
        assert record.plain_bytes == sum(map(len, saved.values())) - CHUNK, "zeros do not count"
        assert record.stored_bytes < 2 * CHUNK, "most of its disk is there already"
        assert record.paused_ms == 7
        assert await Host(directory / "there", host.objects).fetched(TWO) == saved
        return failed

    failures = 0
    while asyncio.run(attempt(tmp_path / str(failures), failures)):
        failures += 1
        assert failures < MOST_CALLS
    assert failures > 5


def test_one_whose_files_cannot_be_read_has_failed_and_the_next_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        host = Host(tmp_path / "here", Faulty())
        put = host.blobs.put

        async def damaged(name: str, *args: Any) -> Any:
            if name == ONE:
                raise OSError(errno.EIO, "Input/output error")
            return await put(name, *args)

        monkeypatch.setattr(host.blobs, "put", damaged)
        for id in (ONE, TWO):
            host.save(id)
        async with host.at_work():
            await host.stored(TWO)
            record = await host.until(ONE, lambda record: record.state == "failed")
        assert "Input/output error" in (record.reason or "")

    run(work())


# --- and back --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_base", [False, True])
def test_fetch_that_fails_at_any_call_leaves_nothing_and_can_be_repeated(tmp_path: Path, with_base: bool) -> None:
    async def attempt(directory: Path, call: int) -> bool:
        origin = Host(directory / "here", Faulty())
        origin.save(ONE)
        saved = origin.save(TWO, base=ONE)
        async with origin.at_work():
            await origin.stored(ONE)
            await origin.stored(TWO)
        host = Host(directory / "there", origin.objects)
        if with_base:
            await host.fetched(ONE)
        before = host.names()
        host.objects.calls, host.objects.fails_at = 0, call
        try:
            await host.fetched(TWO)
        except BlobUnavailable:
            assert host.names() == before
            failed = True
        else:
            failed = False
        host.objects.heal()
        assert await host.fetched(TWO) == saved
        assert host.shelf.record(TWO).state == "stored"
        assert host.names() == sorted([*before, TWO])
        return failed

    failures = 0
    while asyncio.run(attempt(tmp_path / str(failures), failures)):
        failures += 1
        assert failures < MOST_CALLS
    assert failures > 3


def test_what_is_nowhere_is_not_found_and_leaves_nothing(tmp_path: Path) -> None:
    host = Host(tmp_path / "here", Faulty())
    with pytest.raises(NotFound, match=ONE):
        asyncio.run(host.fetched(ONE))
    assert host.names() == []


async def _elsewhere(directory: Path, objects: Faulty, *ids: str) -> Host:
    """A host that has nothing yet, and a store that has these."""
    origin = Host(directory / "origin", objects)
    async with origin.at_work():
        for id in ids:
            origin.save(id)
            await origin.stored(id)
    objects.heal()
    return Host(directory / "elsewhere", objects)


def test_callers_at_once_share_a_fetch_that_outlives_one_who_leaves(tmp_path: Path) -> None:
    async def work() -> None:
        objects = Gated()
        host = await _elsewhere(tmp_path, objects, ONE)
        await host.fetched(ONE)
        alone = objects.calls
        host.shelf.remove(ONE)
        objects.heal()
        objects.stops_at = "read"
        leaver, stayer = (asyncio.create_task(host.fetched(ONE)) for _ in range(2))
        await objects.reached.wait()
        leaver.cancel()
        objects.gate.set()
        assert (await stayer).keys() == {DISK, f"{MEMORY}/pages", TRAVELS}
        assert objects.calls == alone

    run(work())


def test_artifact_that_is_here_is_held_without_the_store(tmp_path: Path) -> None:
    async def work() -> None:
        host = Host(tmp_path / "here", Faulty())
        saved = host.save(ONE)
        host.objects.fails_at = 0
        assert await host.fetched(ONE) == saved

    run(work())


# --- delete ----------------------------------------------------------------------------------------------------------


def test_delete_while_in_use_is_refused(tmp_path: Path) -> None:
    async def work() -> None:
        host = Host(tmp_path / "here", Faulty())
        saved = host.save(ONE)
        async with host.storing.holding(ONE), host.storing.holding(ONE):
            with pytest.raises(Unavailable, match="in use"):
                await host.storing.delete(ONE)
            assert host.files(ONE) == saved
        await host.storing.delete(ONE)
        assert host.names() == []

    run(work())


def test_delete_that_the_store_refuses_leaves_it_whole(tmp_path: Path) -> None:
    async def work() -> None:
        host = await _elsewhere(tmp_path, Faulty(), ONE)
        saved = await host.fetched(ONE)
        host.objects.fails_at = 0
        with pytest.raises(BlobUnavailable):
            await host.storing.delete(ONE)
        assert host.files(ONE) == saved
        host.objects.heal()
        await host.storing.delete(ONE)
        await host.storing.delete(ONE)
        assert (host.names(), await host.blobs.names()) == ([], set())

    run(work())


def test_delete_of_one_that_waits_does_not_keep_others_from_being_stored(tmp_path: Path) -> None:
    async def work() -> None:
        objects = Gated()
        objects.stops_at = manifest_key(ONE)
        host = Host(tmp_path / "here", objects)
        for id in (ONE, TWO):
            host.save(id)
        async with host.at_work() as task:
            await objects.reached.wait()
            await host.storing.delete(TWO)
            objects.gate.set()
            await host.stored(ONE)
            host.save(THREE)
            host.storing.nudge()
            await until(lambda: task.done() or host.shelf.record(THREE).state == "stored")
            assert not task.done(), task.exception()

    run(work())


def test_delete_of_one_on_its_way_leaves_nothing_in_the_store(tmp_path: Path) -> None:
    async def work() -> None:
        objects = Gated()
        objects.stops_at = f"write {manifest_key(ONE)}"
        host = Host(tmp_path / "here", objects)
        host.save(ONE)
        async with host.at_work():
            await objects.reached.wait()
            deletion = asyncio.create_task(host.storing.delete(ONE))
            await asyncio.wait([deletion], timeout=0.1)  # it may wait for the end of the put, or not
            objects.gate.set()
            host.save(TWO)
            await host.stored(TWO)
            try:
                await deletion
            except Unavailable:
                return  # it may be refused
            assert await host.blobs.names() == {TWO}

    run(work())


def test_delete_while_it_is_fetched_for_one_who_left_does_not_bring_it_back(tmp_path: Path) -> None:
    async def work() -> None:
        objects = Gated()
        host = await _elsewhere(tmp_path, objects, ONE)
        objects.stops_at = "read chunks"
        leaver = asyncio.create_task(host.fetched(ONE))
        await objects.reached.wait()
        leaver.cancel()
        await asyncio.wait([leaver])
        try:
            await host.storing.delete(ONE)
        except Unavailable:
            return  # refused, as for one in use
        objects.gate.set()
        await until(lambda: not host.storing._fetches)
        assert host.names() == []

    run(work())


# --- the cache -------------------------------------------------------------------------------------------------------


def test_trim_keeps_records_and_what_is_not_stored_or_is_in_use(tmp_path: Path) -> None:
    async def work() -> None:
        host = Host(tmp_path / "here", Faulty(), keep_bytes=0)
        saved = {id: host.save(id) for id in (ONE, TWO)}
        async with host.storing.holding(TWO), host.at_work():
            for id in (ONE, TWO):
                await host.stored(id)
            host.objects.fails_at = 0
            saved[THREE] = host.save(THREE)
            host.storing.nudge()
            await host.until(THREE, lambda record: record.reason is not None)
            await until(lambda: not host.shelf.has(ONE))
        assert [path.name for path in host.shelf.path(ONE).iterdir()] == [RECORD]
        assert host.shelf.record(ONE).state == "stored"
        assert sorted(host.shelf.ids()) == [ONE, TWO, THREE]
        assert host.files(TWO) == saved[TWO]
        assert host.files(THREE) == saved[THREE]
        host.objects.heal()
        assert await host.fetched(ONE) == saved[ONE]

    run(work())


def test_trim_drops_the_oldest_and_no_more_than_it_must(tmp_path: Path) -> None:
    async def work() -> None:
        host = Host(tmp_path / "here", Faulty())
        async with host.at_work():
            for id in (ONE, TWO, THREE):
                host.save(id)
                await host.stored(id)
        for age, id in enumerate((THREE, TWO, ONE)):
            os.utime(host.shelf.path(id), (1000 + age, 1000 + age))
        size = sum(path.stat().st_blocks * 512 for path in host.shelf.files(TWO).values())
        host.keep(int(2.5 * size))
        async with host.at_work():
            await until(lambda: not host.shelf.has(THREE))
        assert host.shelf.has(ONE)
        assert host.shelf.has(TWO)

    run(work())


def test_record_survives_being_dropped_and_fetched(tmp_path: Path) -> None:
    async def work() -> None:
        host = Host(tmp_path / "here", Faulty())
        host.save(ONE)
        async with host.at_work():
            record = await host.stored(ONE)
        host.shelf.drop(ONE)
        await host.fetched(ONE)
        assert host.shelf.record(ONE) == record

    run(work())


def test_saved_again_after_it_was_dropped_it_is_the_same(tmp_path: Path) -> None:
    async def work() -> None:
        sandbox = Sandbox(ID, parts(memory.Host(), tmp_path), Record(SPEC, Step.RUNNING))
        shelf = sandbox.parts.shelf
        first = await saves.checkpoint(sandbox, ONE, memory=False)
        shelf.note(msgspec.structs.replace(first, state="stored"))
        shelf.drop(ONE)
        assert (await saves.checkpoint(sandbox, ONE, memory=False)).state == "stored"
        assert not shelf.has(ONE)

    run(work())


# --- damage ----------------------------------------------------------------------------------------------------------


def test_damage_to_a_base_does_not_keep_others_from_being_stored(tmp_path: Path) -> None:
    async def work() -> None:
        host = Host(tmp_path / "here", Faulty())
        await host.objects.put(manifest_key(ONE), b"garbage")
        host.save(TWO, base=ONE)
        host.save(THREE)
        async with host.at_work() as task:
            await until(lambda: task.done() or host.shelf.record(THREE).state == "stored")
            assert not task.done(), task.exception()

    run(work())


def test_damage_to_one_does_not_keep_another_from_being_fetched(tmp_path: Path) -> None:
    async def work() -> None:
        host = await _elsewhere(tmp_path, Faulty(), ONE, TWO)
        await host.fetched(ONE)
        await host.objects.put(manifest_key(ONE), b"garbage")
        assert (await host.fetched(TWO)).keys() == {DISK, f"{MEMORY}/pages", TRAVELS}

    run(work())


# --- crashes ---------------------------------------------------------------------------------------------------------


def test_half_made_is_removed_at_open_and_the_whole_is_not(tmp_path: Path) -> None:
    host = Host(tmp_path / "here", Faulty())
    saved = host.save(ONE)
    (host.shelf.begin(TWO) / DISK).write_bytes(b"half")
    (host.shelf.begin("undo-sb-00000001") / MEMORY).mkdir()
    host.shelf.path(THREE).with_name(THREE + HALF).mkdir()
    again = Host(tmp_path / "here", host.objects)
    assert again.names() == [ONE]
    assert again.files(ONE) == saved


class Crash(BaseException):
    """The worker's end, at a line: nothing may be made of it."""


def _crash_at(patch: pytest.MonkeyPatch, step: int) -> list[str]:
    """The effects of a commit that were done; the one of that number ends it."""
    done: list[str] = []

    def counted(name: str, effect: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if len(done) == step:
                raise Crash
            done.append(name)
            return effect(*args, **options)

        return call

    for owner, name in (
        (durable, "write_file"), (durable, "sync_directory"), (os, "fsync"),
        (shutil, "rmtree"), (Path, "rename"), (Path, "replace"),
    ):  # fmt: skip
        patch.setattr(owner, name, counted(name, getattr(owner, name)))
    return done


def test_commit_that_is_cut_short_anywhere_is_nothing_or_all(tmp_path: Path) -> None:
    """The name comes last but for the sync of the directory that holds it."""
    for step in range(MOST_CALLS):
        host = Host(tmp_path / str(step), Faulty())
        with pytest.MonkeyPatch.context() as patch, suppress(Crash):
            done = _crash_at(patch, step)
            host.save(ONE)
            assert [effect for effect in done if effect != "fsync"][-2:] == ["rename", "sync_directory"]
            break
        assert host.shelf.has(ONE) == ("rename" in done)
        again = Host(tmp_path / str(step), host.objects)
        assert again.names() == ([ONE] if "rename" in done else [])
        if "rename" not in done:
            again.save(ONE)
        assert again.shelf.contents(ONE) == CONTENTS
        assert again.shelf.record(ONE).state == "storing"
    assert step > 5


def test_removal_that_is_cut_short_is_never_taken_for_whole(tmp_path: Path) -> None:
    host = Host(tmp_path / "here", Faulty())
    host.save(ONE)

    def half(path: Path, **_: object) -> None:
        (path / DISK).unlink(missing_ok=True)
        if path.exists():
            raise Crash

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "rmtree", half)
        with pytest.raises(Crash):
            host.shelf.remove(ONE)
    assert not host.shelf.has(ONE)
    assert Host(tmp_path / "here", host.objects).names() == []
