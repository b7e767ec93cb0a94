"""Follows artifacts to the blob store, and deletes those that nobody wants."""

from __future__ import annotations

import time
from collections.abc import Mapping

import structlog

from oc.model.artifact import Artifact
from oc.model.errors import OpenComputerError
from oc.model.ids import UUID
from oc.server.changes import Changes
from oc.server.checkpointing import Checkpointing
from oc.server.hosts import Worker, WorkerUnavailable
from oc.server.loops.together import side_by_side
from oc.store.checkpoints import Checkpoint
from oc.store.store import Store

INTERRUPTED = "it was cut short while it was being made"
ORPHAN_S = 3600.0  # how long an artifact without a row is left alone
log = structlog.get_logger()


class Follow:
    """Checkpoints that are being processed, and hibernations that are on their way."""

    def __init__(self, store: Store, worker: Worker, checkpointing: Checkpointing, changes: Changes) -> None:
        self._store = store
        self._worker = worker
        self._checkpointing = checkpointing
        self._changes = changes

    async def __call__(self) -> None:
        """Rows are read first: what they say is saved, the worker has, or has had."""
        processing = await self._store.checkpoints.processing()
        unsized = await self._store.hibernations.unsized()
        if not processing and not unsized:
            return
        try:
            present = {artifact.id: artifact for artifact in await self._worker.artifacts()}
        except WorkerUnavailable as error:
            log.debug("worker is away", error=error.text)
            return
        await side_by_side([self._follow(row, present) for row in processing])
        for row in unsized:
            artifact = present.get(row.hibernation or "")
            if artifact is None or artifact.state == "stored":
                size = artifact.plain_bytes if artifact else 0
                await self._store.hibernations.record_size(row.id, row.hibernation or "", max(size, 1))

    async def _follow(self, row: Checkpoint, present: Mapping[str, Artifact]) -> None:
        if row.saved_at is not None:
            await self._checkpointing.observe(row, present.get(row.id))
        elif not self._changes.under_way(row.sandbox_id):
            await self._settle(row)

    async def _settle(self, row: Checkpoint) -> None:
        """One that no request is waiting for is made if its client will ask again."""
        if not row.awaited:
            await self._checkpointing.abandon(row, INTERRUPTED)
            return
        try:
            await self._checkpointing.make(row)
        except OpenComputerError as error:  # its row says so
            log.info("could not be finished", checkpoint=row.id, error=error.text)


class Discard:
    """Those that rows say are not wanted."""

    def __init__(self, store: Store, worker: Worker) -> None:
        self._rows = store.artifacts
        self._worker = worker

    async def __call__(self) -> None:
        for id in await self._rows.unneeded():
            try:
                await self._worker.delete_artifact(id)
            except OpenComputerError as error:
                log.info("artifact stays for now", artifact=id, error=error.text)
            else:
                await self._rows.forget(id)


class Orphans:
    """Those that no row knows of. Rows come first, so there are none unless rows were lost: no haste."""

    def __init__(self, store: Store, worker: Worker) -> None:
        self._rows = store.artifacts
        self._worker = worker
        self._since: dict[str, float] = {}

    async def __call__(self) -> None:
        try:
            present = [artifact.id for artifact in await self._worker.artifacts() if UUID.fullmatch(artifact.id)]
        except WorkerUnavailable as error:
            log.debug("worker is away", error=error.text)
            return
        at = time.monotonic()
        orphans = set(present) - await self._rows.known(present)
        self._since = {id: self._since.get(id, at) for id in orphans}
        for id in [id for id, since in self._since.items() if since + ORPHAN_S <= at]:
            log.warning("artifact without a row", artifact=id)
            try:
                await self._worker.delete_artifact(id)
            except OpenComputerError as error:
                log.info("artifact stays for now", artifact=id, error=error.text)
