"""The loops, turn by turn, over a stub worker. What runs by itself beside them does the same and changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from oc.api.timestamps import SECOND, now
from oc.model.errors import Failed, Gone, NotFound, NotSupported, Unavailable
from oc.model.ids import new_uuid
from oc.model.sandbox import Observed, Size, Status
from oc.server.auth import Door
from oc.server.hosts import Worker
from oc.server.loops import running
from oc.server.loops.artifacts import Discard, Follow, Orphans
from oc.server.loops.expire import Expire
from oc.server.loops.flush import Flush
from oc.server.loops.heal import INTERRUPTED, Heal
from oc.server.loops.store import StoreFrozen
from oc.server.plane import Plane, assemble
from oc.server.sleep import LOST
from oc.store.checkpoints import Checkpoint, Request
from oc.store.sandboxes import Sandbox, Tier, Wish
from oc.store.store import Store
from tests.integration.server.control import PATIENCE_S, settings_in, workshop
from tests.integration.server.stub import StubWorker, worker_at


class Parts:
    """A control plane without its server and with no loop running."""

    def __init__(self, plane: Plane, stub: StubWorker, org: str) -> None:
        self.plane, self.stub, self.org = plane, stub, org
        self.store, self.activity, self.lifecycle = plane.store, plane.activity, plane.lifecycle
        self.heal = Heal(
            plane.store.sandboxes,
            plane.worker,
            plane.lifecycle,
            plane.changes,
            plane.sleep,
            plane.restores,
            plane.scaling,
        )
        self.expire = Expire(plane.store.sandboxes, plane.lifecycle, plane.sleep, plane.changes, plane.activity)
        self.store_frozen = StoreFrozen(plane.store.hibernations, plane.worker, plane.sleep, plane.changes, 600)
        self.follow = Follow(plane.store, plane.worker, plane.checkpointing, plane.changes)
        self.discard = Discard(plane.store, plane.worker)
        self.orphans = Orphans(plane.store, plane.worker)
        self.id = ""

    async def pending(self, timeout_s: int = 0, key: str | None = None) -> Sandbox:
        wish = Wish("base", Size(1.0, 512, 1024), {}, {}, timeout_s)
        (made,) = await self.store.sandboxes.add(self.org, [wish], 100, key)
        self.id = made.id
        return made

    async def running(self, timeout_s: int = 0) -> Sandbox:
        return await self.lifecycle.start(await self.pending(timeout_s))

    async def checkpoint(self, key: str | None = None, name: str = "c", keep: int | None = None) -> Checkpoint:
        return await self.store.checkpoints.add(self.id, Request(name, "full", keep), key)

    async def row(self) -> Sandbox:
        row = await self.store.sandboxes.get(self.id)
        assert row is not None
        return row


@asynccontextmanager
async def parts(directory: Path, stub: StubWorker) -> AsyncIterator[Parts]:
    settings = settings_in(directory)
    store, worker = await Store.open(settings.database), Worker(settings.worker_socket)
    made = Parts(assemble(settings, store, worker), stub, (await store.accounts.ensure_organization("tests")).id)
    try:
        yield made
    finally:
        await made.plane.patching.close()
        await made.plane.changes.close()
        await worker.close()
        await store.close()


def run(test: Callable[[Parts], Awaitable[None]]) -> None:
    async def work() -> None:
        stub = StubWorker()
        async with (
            asyncio.timeout(2 * PATIENCE_S),
            workshop() as directory,
            worker_at(directory / "worker.sock", stub),
            parts(directory, stub) as made,
        ):
            await test(made)

    asyncio.run(work())


def test_lost_sandbox_is_an_error_with_the_workers_reason_and_is_removed() -> None:
    async def test(made: Parts) -> None:
        await made.running()
        made.stub.observed[made.id] = Observed(made.id, "lost", "out of memory")
        await made.heal()
        row = await made.row()
        assert (row.status, row.reason) == (Status.ERROR, "out of memory")
        assert made.stub.observed == {}

    run(test)


def test_vanished_sandbox_is_an_error_only_when_it_is_missing_twice() -> None:
    """Once may be a sandbox that began to run between the two looks."""

    async def test(made: Parts) -> None:
        await made.running()
        kept = made.stub.observed.pop(made.id)
        await made.heal()
        assert (await made.row()).status is Status.RUNNING
        made.stub.observed[made.id] = kept
        await made.heal()
        made.stub.observed.clear()
        await made.heal()
        assert (await made.row()).status is Status.RUNNING
        await made.heal()
        row = await made.row()
        assert (row.status, row.reason) == (Status.ERROR, LOST)

    run(test)


def test_what_no_row_wants_is_removed() -> None:
    async def test(made: Parts) -> None:
        await made.running()
        await made.store.sandboxes.end(made.id, Status.STOPPED, "killed")
        made.stub.observed["sb-0000aaaa"] = Observed("sb-0000aaaa", "running")
        await made.heal()
        assert made.stub.observed == {}

    run(test)


def test_nothing_is_concluded_while_the_worker_is_away_or_adopting() -> None:
    async def test(made: Parts) -> None:
        await made.running()
        made.stub.observed[made.id] = Observed(made.id, "starting")
        for _ in range(3):
            await made.heal()
        assert (await made.row()).status is Status.RUNNING

    run(test)

    async def away() -> None:
        async with workshop() as directory, parts(directory, StubWorker()) as made:
            await made.pending()
            await made.store.sandboxes.start(made.id)
            for _ in range(3):
                await made.heal()
            assert (await made.row()).status is Status.RUNNING

    asyncio.run(away())


def test_pending_that_nobody_waits_for_is_removed_or_finished_for_its_key() -> None:
    async def keyless(made: Parts) -> None:
        await made.pending()
        made.stub.observed[made.id] = Observed(made.id, "running")
        await made.heal()
        row = await made.row()
        assert (row.status, row.reason) == (Status.STOPPED, INTERRUPTED)
        assert made.stub.observed == {}

    async def keyed(made: Parts) -> None:
        await made.pending(key="k")
        await made.heal()
        assert (await made.row()).status is Status.RUNNING
        assert made.stub.observed.keys() == {made.id}

    async def hopeless(made: Parts) -> None:
        await made.pending(key="k")
        made.stub.refusal = Failed("no")
        await made.heal()
        assert (await made.row()).status is Status.ERROR

    run(keyless)
    run(keyed)
    run(hopeless)


def test_pending_with_a_request_under_way_is_left_to_it() -> None:
    async def test(made: Parts) -> None:
        made.stub.may["ensure"].clear()
        creating = asyncio.create_task(made.running())
        await made.stub.asked["ensure"].wait()
        await made.heal()
        assert (await made.row()).status is Status.PENDING
        made.stub.may["ensure"].set()
        assert (await creating).status is Status.RUNNING

    run(test)


def test_idle_sandbox_expires_and_a_used_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(made: Parts) -> None:
        sandbox = await made.running(timeout_s=60)
        made.activity.touch(made.id)
        monkeypatch.setattr("oc.server.activity.now", lambda: sandbox.last_active_at + 59_000_000)
        await made.expire()
        assert (await made.row()).status is Status.RUNNING
        monkeypatch.setattr("oc.server.activity.now", lambda: sandbox.last_active_at + 3_600_000_000)
        await made.expire()
        row = await made.row()
        assert (row.status, row.tier) == (Status.HIBERNATED, Tier.FROZEN)
        assert made.stub.observed[made.id].state == "frozen"

    run(test)


def test_idle_sandbox_that_cannot_be_hibernated_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(made: Parts) -> None:
        sandbox = await made.running(timeout_s=60)
        made.stub.failures["freeze"] = NotSupported("not here")
        monkeypatch.setattr("oc.server.activity.now", lambda: sandbox.last_active_at + 3_600_000_000)
        await made.expire()
        row = await made.row()
        assert (row.status, row.reason) == (Status.STOPPED, "expired")
        assert made.stub.observed == {}

    run(test)


def test_use_is_written_to_rows() -> None:
    async def test(made: Parts) -> None:
        before = (await made.running()).last_active_at
        made.activity.touch(made.id)
        await Flush(made.store, made.activity, Door(made.store.accounts))()
        assert (await made.row()).last_active_at > before

    run(test)


async def asleep(made: Parts) -> None:
    await made.running()
    await made.plane.sleep.hibernate(made.id)


def test_frozen_one_is_stored_when_its_time_has_come_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(made: Parts) -> None:
        await asleep(made)
        await made.store_frozen()
        assert (await made.row()).tier is Tier.FROZEN
        later = now() + 601 * SECOND
        monkeypatch.setattr("oc.server.loops.store.now", lambda: later)
        await made.store_frozen()
        row = await made.row()
        assert row.tier is Tier.STORED
        assert made.stub.artifacts.keys() == {row.hibernation}
        assert made.stub.observed == {}
        await made.heal()
        await made.heal()
        assert (await made.row()) == row

    run(test)


def test_short_memory_stores_the_one_longest_asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oc.server.loops.store.FRESH_S", -1.0)

    async def test(made: Parts) -> None:
        await asleep(made)
        first = made.id
        await asleep(made)
        made.stub.memory_available_mb = 410
        await made.store_frozen()
        assert made.stub.artifacts == {}
        made.stub.memory_available_mb = 409
        await made.store_frozen()
        assert made.stub.observed.keys() == {made.id}
        assert [artifact.sandbox for artifact in made.stub.artifacts.values()] == [first]

    run(test)


def test_one_that_cannot_be_stored_stays_frozen_and_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    later = now() + 3600 * SECOND
    monkeypatch.setattr("oc.server.loops.store.now", lambda: later)

    async def test(made: Parts) -> None:
        await asleep(made)
        made.stub.failures["hibernate"] = Failed("the disk is full")
        for _ in range(3):
            await made.store_frozen()
        assert len(made.stub.asked_for("hibernate")) == 1
        row = await made.row()
        assert (row.status, row.tier, row.hibernation) == (Status.HIBERNATED, Tier.FROZEN, None)
        assert (await made.plane.sleep.wake(made.id)).status is Status.RUNNING

    run(test)


def test_one_whose_artifact_may_have_left_the_host_is_given_up_only_when_it_is_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    later = now() + 3600 * SECOND
    monkeypatch.setattr("oc.server.loops.store.now", lambda: later)

    async def test(made: Parts) -> None:
        await asleep(made)
        made.stub.failures["hibernate"] = NotFound("no such sandbox")
        made.stub.observed.clear()
        await made.store_frozen()
        row = await made.row()
        assert (row.status, row.tier) == (Status.HIBERNATED, Tier.STORED)
        made.stub.refusal = Unavailable("the blob store is away")
        with pytest.raises(Unavailable):
            await made.plane.sleep.wake(made.id)
        assert (await made.row()).status is Status.HIBERNATED
        made.stub.refusal = None
        with pytest.raises(Gone):
            await made.plane.sleep.wake(made.id)
        assert (await made.row()).status is Status.ERROR

    run(test)


def test_frozen_one_that_the_worker_lost_is_an_error_and_one_that_runs_is_frozen_again() -> None:
    async def test(made: Parts) -> None:
        await asleep(made)
        made.stub.observed[made.id] = Observed(made.id, "running")
        await made.heal()
        assert made.stub.observed[made.id].state == "frozen"
        made.stub.observed[made.id] = Observed(made.id, "lost", "the host was started anew")
        await made.heal()
        row = await made.row()
        assert (row.status, row.reason) == (Status.ERROR, "the host was started anew")

    run(test)


def test_running_one_that_is_frozen_is_thawed_and_a_stored_one_that_is_there_removed() -> None:
    async def test(made: Parts) -> None:
        await made.running()
        made.stub.observed[made.id] = Observed(made.id, "frozen")
        await made.heal()
        assert made.stub.observed[made.id].state == "running"
        await made.plane.sleep.hibernate(made.id)
        await made.plane.sleep.store(made.id)
        made.stub.observed[made.id] = Observed(made.id, "running")
        await made.heal()
        assert made.stub.observed == {}
        assert (await made.row()).tier is Tier.STORED

    run(test)


def test_old_row_in_the_hands_of_a_loop_ends_nothing() -> None:
    """What a request does between a loop's look and its deed counts."""

    async def test(made: Parts) -> None:
        pending = await made.pending()
        await made.lifecycle.start(pending)
        await made.heal._mend(pending, None)
        assert (await made.row()).status is Status.RUNNING
        unsaved = await made.checkpoint()
        await made.plane.checkpointing.make(unsaved)
        await made.follow._follow(unsaved, {})
        assert [row.failed_at for row in await made.store.checkpoints.of_sandbox(made.id)] == [None]

    run(test)


def test_artifact_without_a_row_goes_after_an_hour_and_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(made: Parts) -> None:
        await made.running()
        kept = await made.plane.checkpointing.make(await made.checkpoint())
        stray, undo = new_uuid(), f"undo-{made.id}"
        for id in (stray, undo):
            made.stub.artifacts[id] = msgspec.structs.replace(made.stub.artifacts[kept.id], id=id)
        await made.orphans()
        assert len(made.stub.artifacts) == 3
        monkeypatch.setattr("oc.server.loops.artifacts.ORPHAN_S", 0.0)
        await made.orphans()
        assert made.stub.artifacts.keys() == {kept.id, undo}

    run(test)


def test_artifact_that_cannot_be_deleted_is_tried_again() -> None:
    async def test(made: Parts) -> None:
        await made.running()
        checkpoint = await made.plane.checkpointing.make(await made.checkpoint())
        await made.store.checkpoints.delete(checkpoint.id)
        made.stub.failures["delete_artifact"] = Unavailable("the blob store is away")
        await made.discard()
        assert await made.store.artifacts.unneeded() == [checkpoint.id]
        made.stub.failures.clear()
        await made.discard()
        assert await made.store.artifacts.unneeded() == []
        assert made.stub.artifacts == {}

    run(test)


def test_turn_that_fails_is_followed_by_the_next() -> None:
    turns = asyncio.Queue[int]()

    async def deed() -> None:
        await turns.put(1)
        raise Failed("now and then") if turns.qsize() % 2 else ZeroDivisionError

    async def work() -> None:
        task = asyncio.create_task(running.again_and_again("test", 0, deed))
        for _ in range(4):
            await turns.get()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(work())
