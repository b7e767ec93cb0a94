"""Hibernate and wake (contract 2.1.6, 2.1.7, 4.2).

A hibernated sandbox is frozen in its host's memory first, which is undone in a moment. After a while it is stored: its
host keeps nothing of it. Rows go ahead of the worker, so that a crash anywhere leaves a row to go on from.
"""

from __future__ import annotations

from functools import partial

import structlog

from oc.model.errors import Gone, NotFound, OpenComputerError, Unavailable
from oc.model.ids import new_uuid
from oc.model.sandbox import Status
from oc.server.changes import Changes
from oc.server.hosts import Worker, WorkerUnavailable
from oc.server.lifecycle import Lifecycle
from oc.server.patching import Patching
from oc.store.hibernations import Hibernations
from oc.store.sandboxes import Sandbox, Tier
from oc.store.store import Store

LOST = "the worker has lost it"
log = structlog.get_logger()


class WakeFailed(OpenComputerError):  # noqa: N818 - as in model.errors
    """It is as asleep as before, and may be woken again (contract 1.5)."""

    status, code = 502, "wake_failed"


def wake_failed(id: str, why: str) -> WakeFailed:
    return WakeFailed(f"sandbox {id}: failed to wake: {why}", hint="try again; it sleeps on as it was")


class Sleep:
    def __init__(
        self, store: Store, worker: Worker, lifecycle: Lifecycle, changes: Changes, patching: Patching, most: int
    ) -> None:
        self._sandboxes = store.sandboxes
        self._rows: Hibernations = store.hibernations
        self._worker = worker
        self._lifecycle = lifecycle
        self._changes = changes
        self._patching = patching
        self._most = most

    async def hibernate(self, id: str) -> Sandbox:
        """What it is then: hibernated, or whatever kept it from that. Raises what the worker says; it runs on then."""
        return await self._changes.do(id, "hibernate", partial(self._hibernate, id))

    async def store(self, id: str) -> None:
        """Moves a frozen one to the blob store. Raises what the worker says; it stays frozen then."""
        await self._changes.do(id, "store", partial(self._store, id))

    async def wake(self, id: str) -> Sandbox:
        """What it is then: running, or stopped or failed meanwhile. Callers at once share one wake.

        Raises TooMany, WakeFailed, Gone and Unavailable.
        """
        return await self._changes.do(id, "wake", partial(self._wake, id))

    async def settle(self, id: str) -> None:
        """Makes the worker agree with the row of a hibernated sandbox."""
        await self._changes.do(id, "settle", partial(self._settle, id))

    # --- to sleep ---

    async def _hibernate(self, id: str) -> Sandbox:
        frozen = await self._rows.begin(id)
        if frozen is None:
            return await self._row(id)
        try:
            await self._worker.freeze(id)
        except WorkerUnavailable:
            raise  # it may have heard: the heal loop settles it
        except OpenComputerError:
            await self._rows.wake(id)
            raise
        log.info("sandbox hibernated", sandbox=id)
        return frozen

    async def _store(self, id: str) -> Sandbox:
        row = await self._row(id)
        if row.tier is Tier.FROZEN:
            row = await self._rows.begin_storing(id, new_uuid()) or await self._row(id)
        return await self._finish_storing(row) if row.tier is Tier.STORING else row

    async def _finish_storing(self, row: Sandbox) -> Sandbox:
        """Also of what an earlier server began: the same artifact asked for again is the same."""
        try:
            await self._worker.hibernate(row.id, row.hibernation or "")
        except WorkerUnavailable:
            raise  # as above
        except NotFound as error:  # neither it nor its artifact: that may have left the host already. A wake will tell.
            log.warning("taken to be stored", sandbox=row.id, artifact=row.hibernation, why=error.text)
        except Gone as error:
            await self._lifecycle.fail(row.id, error.text)
            raise
        except OpenComputerError:
            await self._rows.undo_storing(row)
            raise
        log.info("sandbox stored", sandbox=row.id, artifact=row.hibernation)
        return await self._rows.end_storing(row.id) or await self._row(row.id)

    # --- awake ---

    async def _wake(self, id: str) -> Sandbox:
        row = await self._row(id)
        if row.tier is Tier.STORING:
            row = await self._stored_after_all(row)
        waking = await self._rows.begin_wake(row, self._most) if row.status is Status.HIBERNATED else None
        if waking is None:
            return await self._row(id)
        await self._rouse(waking)
        running = await self._rows.wake(id)
        if running is None:
            await self._lifecycle.remove(id)
            raise Gone(f"sandbox {id} was killed while it was waking up")
        log.info("sandbox woke up", sandbox=id, tier=row.tier)
        self._patching.begin(running)
        return running

    async def _stored_after_all(self, row: Sandbox) -> Sandbox:
        """A crash cut its storing short. If it cannot be stored it is frozen still, which is as good to wake from."""
        try:
            return await self._finish_storing(row)
        except WorkerUnavailable:
            raise
        except OpenComputerError as error:
            log.warning("could not be stored", sandbox=row.id, error=error.text)
            return await self._row(row.id)

    async def _rouse(self, row: Sandbox) -> None:
        try:
            if row.tier is Tier.FROZEN:
                await self._check_frozen(row.id)
            await self._lifecycle.ensure(row)
        except WorkerUnavailable:
            raise  # it may have heard: the row says that a wake has begun, and the heal loop goes on with it
        except NotFound as error:  # the artifact is nowhere
            await self._lose(row.id, error.text)
        except OpenComputerError as error:
            await self._rows.end_wake(row.id)
            if isinstance(error, Unavailable | Gone):
                raise
            raise wake_failed(row.id, error.text) from error

    async def _check_frozen(self, id: str) -> None:
        """To ensure one that is not there would make it anew, from where it once began. Raises Gone."""
        try:
            observed = await self._worker.sandbox(id)
        except NotFound:
            await self._lose(id, LOST)
        else:
            if observed.state == "lost":
                await self._lose(id, observed.reason or LOST)

    async def _lose(self, id: str, reason: str) -> None:
        await self._lifecycle.fail(id, reason)
        raise Gone(f"sandbox {id} has failed: {reason}", hint="create a new one, or fork a checkpoint of it")

    # --- after a crash ---

    async def thaw(self, id: str) -> None:
        """Makes the worker agree with the row of a running sandbox."""
        await self._changes.do(id, "thaw", partial(self._thaw, id))

    async def _thaw(self, id: str) -> None:
        row = await self._row(id)
        if row.status is Status.RUNNING:
            await self._check_frozen(id)
            await self._lifecycle.ensure(row)

    async def _settle(self, id: str) -> None:
        row = await self._row(id)
        if row.status is not Status.HIBERNATED:
            return
        if row.waking:
            await self._wake(id)
        elif row.tier is Tier.FROZEN:
            await self._worker.freeze(id)
        elif row.tier is Tier.STORED:
            await self._lifecycle.remove(id)

    async def _row(self, id: str) -> Sandbox:
        row = await self._sandboxes.get(id)
        if row is None:  # rows are never deleted
            raise NotFound(f"sandbox not found: {id}")
        return row
