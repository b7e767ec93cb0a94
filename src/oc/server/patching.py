"""Runs patches in sandboxes: in order, each once, up to the first that fails (contract 2.7)."""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from oc.model.errors import OpenComputerError
from oc.server.activity import Activity
from oc.server.changes import Changes
from oc.server.hosts import Ran, Worker
from oc.store.patches import Patch
from oc.store.sandboxes import Sandbox
from oc.store.store import Store

PATCH_S = 300  # each
MOST_TOLD = 1000  # characters of what a script said
log = structlog.get_logger()


class Patching:
    def __init__(self, store: Store, worker: Worker, activity: Activity) -> None:
        self._store = store
        self._worker = worker
        self._activity = activity
        self._in_background = Changes()

    def begin(self, woken: Sandbox) -> None:
        """Applies what is missing, in the background."""
        self._in_background.begin(woken.id, "patch", partial(self._catch_up, woken.id))

    async def apply(self, sandbox: Sandbox) -> None:
        """Runs the patches that it has not had. How far that went is in its row; it can be used in any case.

        A patch that a crash cut short runs again from its beginning.
        """
        applied = sandbox.applied
        for patch in await self._missing(sandbox):
            error = await self._run(sandbox.id, patch)
            applied = applied if error else patch.sequence
            await self._store.patches.record(sandbox.id, applied, error)
            if error:
                log.warning("patch failed", sandbox=sandbox.id, patch=patch.id)
                return

    async def close(self) -> None:
        """What has not been applied is, at the next wake."""
        await self._in_background.close()

    async def _catch_up(self, id: str) -> None:
        """Others publish checkpoints to be forked, not to run scripts in those forks for ever: only their own go on."""
        sandbox = await self._store.sandboxes.get(id)
        if sandbox is None or sandbox.wish.from_checkpoint is None:
            return
        checkpoint = await self._store.checkpoints.get(sandbox.wish.from_checkpoint)
        if checkpoint is not None and checkpoint.org_id == sandbox.org_id:
            with self._activity.busy(id):
                await self.apply(sandbox)

    async def _missing(self, sandbox: Sandbox) -> list[Patch]:
        if sandbox.wish.from_checkpoint is None:
            return []
        return await self._store.patches.after(sandbox.wish.from_checkpoint, sandbox.applied)

    async def _run(self, id: str, patch: Patch) -> str | None:
        """Why it failed; None when it did not."""
        try:
            async with asyncio.timeout(2 * PATCH_S):  # a worker that does not keep its word
                ran = await self._worker.run(id, patch.script, PATCH_S)
        except (OpenComputerError, TimeoutError) as error:
            return f"patch seq {patch.sequence} failed: {error}"
        return f"patch seq {patch.sequence} failed: {_said(ran)}" if ran.exit_code else None


def _said(ran: Ran) -> str:
    return f"exit code {ran.exit_code} — {ran.stderr.strip()[-MOST_TOLD:]}"
