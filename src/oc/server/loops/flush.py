"""Writes what is only in memory: when sandboxes and keys were last used."""

from __future__ import annotations

from oc.server.activity import Activity
from oc.server.auth import Door
from oc.store.store import Store


class Flush:
    def __init__(self, store: Store, activity: Activity, door: Door) -> None:
        self._store = store
        self._activity = activity
        self._door = door

    async def __call__(self) -> None:
        if active := self._activity.unwritten():
            await self._store.sandboxes.record_activity(active)
        if used := self._door.take_used():
            await self._store.accounts.record_use(used)
