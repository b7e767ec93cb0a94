"""Hibernates sandboxes that have been idle for longer than their timeout (contract 4.2)."""

from __future__ import annotations

import structlog

from oc.model.errors import NotSupported, OpenComputerError
from oc.model.sandbox import Status
from oc.server.activity import Activity
from oc.server.changes import Changes
from oc.server.lifecycle import Lifecycle
from oc.server.sleep import Sleep
from oc.store.sandboxes import Sandboxes

REASON = "expired"
log = structlog.get_logger()


class Expire:
    def __init__(
        self, sandboxes: Sandboxes, lifecycle: Lifecycle, sleep: Sleep, changes: Changes, activity: Activity
    ) -> None:
        self._sandboxes = sandboxes
        self._lifecycle = lifecycle
        self._sleep = sleep
        self._changes = changes
        self._activity = activity

    async def __call__(self) -> None:
        running = await self._sandboxes.in_states(Status.RUNNING)
        self._activity.keep_only({sandbox.id for sandbox in running})
        for sandbox in running:
            # From this look to the change in line nothing is awaited: whoever comes later waits for it (see `Gate`).
            if self._activity.expired(sandbox) and not self._changes.under_way(sandbox.id):
                await self._end(sandbox.id)

    async def _end(self, id: str) -> None:
        """Stopped only where hibernation is impossible."""
        try:
            await self._sleep.hibernate(id)
        except NotSupported as error:
            log.warning("cannot be hibernated", sandbox=id, error=error.text)
            await self._lifecycle.stop(id, REASON)
        except OpenComputerError as error:  # its idle time begins anew
            log.warning("not hibernated", sandbox=id, error=error.text)
