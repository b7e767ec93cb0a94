"""Rows of patches: scripts that are run in forks of a checkpoint (contract 2.7)."""

from __future__ import annotations

import msgspec

from oc.api.timestamps import now
from oc.model.ids import new_uuid
from oc.store.database import Database, Session


class Patch(msgspec.Struct, frozen=True):
    id: str
    checkpoint_id: str
    sequence: int
    script: str
    description: str
    created_at: int


class Patches:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, org_id: str, checkpoint_id: str, script: str, description: str, key: str | None) -> Patch:
        """`key`: the Idempotency-Key that it is asked for with."""
        id = new_uuid()
        columns = {"checkpoint_id": checkpoint_id, "script": script, "description": description, "at": now()}

        def work(session: Session) -> Patch:
            session.change("add_patch", id=id, **columns)
            if key is not None:
                session.change("name_subject", org_id=org_id, key=key, subject=id)
            return msgspec.convert(session.one("patch", id=id), Patch)

        return await self._database.run(work)

    async def get(self, id: str) -> Patch | None:
        rows = msgspec.convert(await self._database.read("patch", id=id), list[Patch])
        return rows[0] if rows else None

    async def after(self, checkpoint_id: str, sequence: int = 0) -> list[Patch]:
        """In the order in which they are applied; none when the checkpoint is deleted."""
        rows = await self._database.read("patches_after", checkpoint_id=checkpoint_id, sequence=sequence)
        return msgspec.convert(rows, list[Patch])

    async def delete(self, checkpoint_id: str, id: str) -> bool:
        """False: there is none."""
        return await self._database.run(
            lambda session: session.change("delete_patch", id=id, checkpoint_id=checkpoint_id) > 0
        )

    async def record(self, sandbox_id: str, applied: int, error: str | None) -> None:
        """Up to which number a sandbox has been patched, and why not further."""
        await self._database.run(
            lambda session: session.change("applied_patch", id=sandbox_id, applied=applied, error=error)
        )
