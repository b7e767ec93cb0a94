"""Makes checkpoints and follows them to the blob store (contract 2.6.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from oc.model.artifact import Artifact
from oc.model.errors import BadRequest, NotFound, OpenComputerError
from oc.server.changes import Changes, Stopping
from oc.server.hosts import Worker, WorkerUnavailable
from oc.store.checkpoints import Checkpoint, Progress
from oc.store.store import Store

ANSWER_S = 20.0  # below the 30 seconds that clients wait (contract 0.7)
READY_S = 30.0  # contract 2.6.4
LOOK_EVERY_S = 0.1
log = structlog.get_logger()


class Checkpointing:
    def __init__(self, store: Store, worker: Worker, changes: Changes) -> None:
        self._rows = store.checkpoints
        self._worker = worker
        self._changes = changes

    async def make(self, row: Checkpoint) -> Checkpoint:
        """Returns when it is saved, or is taking long: then it is in line before whatever is asked for next.

        Raises what the worker says.
        """
        task = self._changes.begin(row.sandbox_id, f"checkpoint {row.id}", partial(self._make, row.id))
        done, _ = await asyncio.wait([task], timeout=ANSWER_S)
        if task.cancelled():
            raise Stopping("the server is stopping", hint="try again in a few seconds")
        return task.result() if done else row

    async def observe(self, row: Checkpoint, artifact: Artifact | None) -> None:
        """`artifact`: what the worker has of one that is saved; none when it is only in the blob store by now."""
        await self._rows.record(artifact or Artifact(row.id, row.sandbox_id, row.memory, row.size, "stored"))

    async def ready(self, id: str) -> Checkpoint:
        """Waits for one that is being processed. Raises NotFound, and BadRequest when it does not get ready in time."""
        return await self._wait(id, lambda row: row.status is not Progress.PROCESSING)

    async def whole(self, id: str) -> Checkpoint:
        """As `ready`, but content when the worker has it: a sandbox can be made from it while it is being stored."""
        return await self._wait(id, lambda row: row.saved_at is not None or row.status is not Progress.PROCESSING)

    async def _wait(self, id: str, enough: Callable[[Checkpoint], bool]) -> Checkpoint:
        deadline = asyncio.get_running_loop().time() + READY_S
        while not enough(row := await self._existing(id)):
            if asyncio.get_running_loop().time() > deadline:
                why = f": {row.reason}" if row.reason else ""
                raise BadRequest(f"checkpoint is not ready after {READY_S:.0f}s (status: {row.status}){why}")
            if row.saved_at is not None:
                await self._look(row)
            await asyncio.sleep(LOOK_EVERY_S)
        if row.status is Progress.FAILED:
            raise BadRequest(f"checkpoint failed: {row.reason}")
        return row

    async def _existing(self, id: str) -> Checkpoint:
        row = await self._rows.get(id)
        if row is None or row.deleted_at is not None:
            raise NotFound(f"checkpoint not found: {id}")
        return row

    async def _look(self, row: Checkpoint) -> None:
        try:
            await self.observe(row, await self._worker.artifact(row.id))
        except NotFound:
            await self.observe(row, None)
        except WorkerUnavailable as error:  # it is looked for again until the time is over
            log.debug("worker is away", error=error.text)

    async def abandon(self, row: Checkpoint, reason: str) -> None:
        """Gives up one that is not saved."""
        await self._changes.do(row.sandbox_id, f"abandon {row.id}", partial(self._abandon, row.id, reason))

    async def _abandon(self, id: str, reason: str) -> None:
        row = await self._rows.get(id)
        if row is not None and row.saved_at is None:
            await self._rows.fail(id, reason)

    async def _make(self, id: str) -> Checkpoint:
        row = await self._existing(id)
        if row.saved_at is not None or row.failed_at is not None:
            return row
        try:
            artifact = await self._worker.checkpoint(row.sandbox_id, row.id, row.memory)
        except WorkerUnavailable:
            raise  # it may have heard: its loop goes on with it
        except OpenComputerError as error:
            log.warning("checkpoint failed", sandbox=row.sandbox_id, checkpoint=row.id, error=error.text)
            await self._rows.fail(row.id, error.text)
            raise
        log.info("checkpoint saved", sandbox=row.sandbox_id, checkpoint=row.id, paused_ms=artifact.paused_ms)
        saved = await self._rows.record(artifact)
        return saved or await self._existing(row.id)
