"""Stops sandboxes that have been idle for longer than their timeout (contract 4.2)."""

from __future__ import annotations

from oc.model.sandbox import Status
from oc.server.activity import Activity
from oc.server.lifecycle import Lifecycle
from oc.store.sandboxes import Sandboxes

REASON = "expired"


class Expire:
    def __init__(self, sandboxes: Sandboxes, lifecycle: Lifecycle, activity: Activity) -> None:
        self._sandboxes = sandboxes
        self._lifecycle = lifecycle
        self._activity = activity

    async def __call__(self) -> None:
        running = await self._sandboxes.in_states(Status.RUNNING)
        self._activity.keep_only({sandbox.id for sandbox in running})
        for sandbox in running:
            if self._activity.expired(sandbox):
                await self._lifecycle.stop(sandbox.id, REASON)
