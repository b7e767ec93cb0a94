"""In-place restore (contract 2.6.3): recorded in the row, done in the background, waited for by what comes later."""

from __future__ import annotations

from functools import partial

import structlog

from oc.model.errors import OpenComputerError
from oc.server.activity import Activity
from oc.server.changes import Changes
from oc.server.hosts import Worker, WorkerUnavailable
from oc.store.checkpoints import Checkpoint
from oc.store.sandboxes import Sandbox
from oc.store.store import Store

log = structlog.get_logger()


class Restores:
    def __init__(self, store: Store, worker: Worker, changes: Changes, activity: Activity) -> None:
        self._store = store
        self._worker = worker
        self._changes = changes
        self._activity = activity

    async def begin(self, id: str, checkpoint: Checkpoint) -> bool:
        """False: it does not run any more. Returns once it is recorded and in line."""
        row = await self._store.hibernations.begin_restore(id, checkpoint.id)
        if row is None:
            return False
        self._changes.begin(id, f"restore {checkpoint.id}", partial(self._restore, id, checkpoint.id))
        return True

    async def finish(self, sandbox: Sandbox) -> None:
        """Goes on with what its row says has begun, perhaps before a crash. Raises WorkerUnavailable."""
        if sandbox.restoring is not None:
            act = partial(self._restore, sandbox.id, sandbox.restoring)
            await self._changes.do(sandbox.id, f"restore {sandbox.restoring}", act)

    async def _restore(self, id: str, checkpoint_id: str) -> None:
        row = await self._store.sandboxes.get(id)
        if row is None or row.restoring != checkpoint_id:
            return  # done meanwhile: again would undo what has been done in it since
        checkpoint = await self._store.checkpoints.get(checkpoint_id)
        memory = checkpoint is not None and checkpoint.memory
        error = None
        try:
            with self._activity.busy(id):
                await self._worker.restore(id, checkpoint_id, memory)
        except WorkerUnavailable:
            raise  # it may have heard; the heal loop and whoever wants the sandbox ask again
        except OpenComputerError as failure:
            error = failure.text
            log.warning("restore failed", sandbox=id, checkpoint=checkpoint_id, error=error)
        await self._store.hibernations.end_restore(id, checkpoint_id, error)
