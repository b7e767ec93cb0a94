"""Artifacts that nobody wants any more: written down in the transaction that makes them so, and deleted later."""

from __future__ import annotations

from collections.abc import Collection

from oc.api.timestamps import now
from oc.store.database import Database, Session


def discard(session: Session, id: str, sandbox_id: str) -> None:
    session.change("discard_artifact", id=id, sandbox_id=sandbox_id, at=now())


class Artifacts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def unneeded(self) -> list[str]:
        """What may be deleted now: neither wanted nor being started from."""
        return [row["id"] for row in await self._database.read("unneeded_artifacts")]

    async def forget(self, id: str) -> None:
        """It is deleted."""
        await self._database.run(lambda session: session.change("forget_artifact", id=id))

    async def known(self, ids: Collection[str]) -> set[str]:
        """Those that a row names."""
        if not ids:
            return set()
        return {row["id"] for row in await self._database.read("known_artifacts", ids=tuple(ids))}
