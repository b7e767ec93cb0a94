"""The log of what happened to sandboxes, written in the transaction that made it happen (contract 2.14, 5)."""

from __future__ import annotations

import msgspec

from oc.store.database import Database, Session


class Event(msgspec.Struct, frozen=True):
    id: str
    org_id: str
    sandbox_id: str
    type: str
    reason: str | None
    at: int


def record(session: Session, org_id: str, sandbox_id: str, type: str, at: int, reason: str | None = None) -> None:
    id = f"{sandbox_id}:{type}:{at}"
    session.change("add_event", id=id, org_id=org_id, sandbox_id=sandbox_id, type=type, reason=reason, at=at)


class Events:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, sandbox_id: str) -> list[Event]:
        """Oldest first."""
        return msgspec.convert(await self._database.read("events_of_sandbox", sandbox_id=sandbox_id), list[Event])

    async def last_of(self, sandbox_id: str, most: int) -> list[Event]:
        """Newest first."""
        rows = await self._database.read("last_events_of_sandbox", sandbox_id=sandbox_id, most=most)
        return msgspec.convert(rows, list[Event])
