"""The sizes of sandboxes while they change, and who may change them (contract 2.1.10)."""

from __future__ import annotations

import msgspec

from oc.api.timestamps import now
from oc.model.sandbox import Size
from oc.store.database import Database, Session
from oc.store.events import record
from oc.store.sandboxes import By, Sandbox, Scale, found


class Scaling:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, id: str, size: Size, by: By) -> Sandbox | None:
        """None when it does not run (any more), amid a restore, and when it is locked."""
        text = msgspec.json.encode(Scale(size.cpus, size.memory_mb, by)).decode()
        return await self._one("begin_scale", id=id, scaling=text)

    async def end(self, begun: Sandbox) -> Sandbox | None:
        """It has its new size; None when another has ended it."""
        scale = begun.scaling
        if scale is None:
            return None
        chosen = int(scale.by is not By.AUTOSCALE)

        def work(session: Session) -> Sandbox | None:
            size = {"cpus": scale.cpus, "memory_mb": scale.memory_mb}
            rows = found(session.all("end_scale", id=begun.id, chosen=chosen, **size))
            for row in rows:
                reason = f"{scale.memory_mb} MB, {scale.cpus:g} CPUs, by {scale.by}"
                record(session, row.org_id, row.id, "sandbox.scaled", now(), reason)
            return rows[0] if rows else None

        return await self._database.run(work)

    async def undo(self, id: str) -> None:
        """It keeps the size that it has."""
        await self._database.run(lambda session: session.change("undo_scale", id=id))

    async def start_autoscale(self, id: str, least_mb: int, most_mb: int) -> Sandbox | None:
        """None when it is locked or has ended."""
        return await self._one("start_autoscale", id=id, least=least_mb, most=most_mb)

    async def end_autoscale(self, id: str) -> Sandbox | None:
        """None when it has ended."""
        return await self._one("end_autoscale", id=id)

    async def lock(self, id: str, locked: bool) -> Sandbox | None:
        """Locking ends autoscaling. None when it has ended."""
        return await self._one("set_scaling_lock", id=id, locked=int(locked))

    async def autoscaled(self) -> list[Sandbox]:
        """Those that run, of all organizations."""
        return found(await self._database.read("autoscaled_sandboxes"))

    async def _one(self, query: str, **parameters: object) -> Sandbox | None:
        rows = await self._database.run(lambda session: found(session.all(query, **parameters)))
        return rows[0] if rows else None
