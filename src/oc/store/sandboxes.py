"""Rows of sandboxes. `model.sandbox.TRANSITIONS` is enforced where a state changes: in the UPDATE itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from oc.api.timestamps import now
from oc.model.errors import TooMany
from oc.model.sandbox import TRANSITIONS, Size, Status
from oc.store.database import Database, Session
from oc.store.events import record

ACTIVE = (Status.PENDING, Status.RUNNING)  # what counts against an organization's limit
TYPES = {Status.RUNNING: "sandbox.started", Status.ERROR: "sandbox.failed", Status.STOPPED: "sandbox.stopped"}


class Wish(msgspec.Struct, frozen=True):
    """A sandbox that is to be."""

    template: str
    size: Size
    envs: dict[str, str]
    metadata: dict[str, str]
    timeout_s: int  # without traffic; 0: never


class Sandbox(msgspec.Struct, frozen=True):
    id: str
    org_id: str
    status: Status
    reason: str | None
    wish: Wish
    awaited: bool  # made under an Idempotency-Key: its client will ask for it again
    created_at: int
    started_at: int | None
    stopped_at: int | None
    last_active_at: int


class Sandboxes:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, id: str, org_id: str, wish: Wish, most: int, idempotency_key: str | None = None) -> Sandbox:
        """Records a pending sandbox. Raises TooMany when the organization has `most` already (contract 4.4)."""
        parameters = {"id": id, "org_id": org_id, "most": most, "active": ACTIVE, "at": now(), **_columns(wish)}

        def work(session: Session) -> Sandbox:
            if not session.change("add_sandbox", awaited=int(idempotency_key is not None), **parameters):
                raise _too_many(session, org_id, most)
            if idempotency_key is not None:
                session.change("name_subject", org_id=org_id, key=idempotency_key, subject=id)
            record(session, org_id, id, "sandbox.created", parameters["at"])
            return _found(session.all("sandbox", id=id))[0]

        return await self._database.run(work)

    async def get(self, id: str) -> Sandbox | None:
        rows = _found(await self._database.read("sandbox", id=id))
        return rows[0] if rows else None

    async def of_organization(self, org_id: str, statuses: Collection[Status], most: int) -> list[Sandbox]:
        """Newest first."""
        parameters = {"org_id": org_id, "statuses": tuple(statuses), "most": most}
        return _found(await self._database.read("sandboxes_of_organization", **parameters))

    async def in_states(self, *statuses: Status) -> list[Sandbox]:
        """Of all organizations."""
        return _found(await self._database.read("sandboxes_in", statuses=statuses))

    async def count_by_status(self) -> dict[str, int]:
        return {row["status"]: row["number"] for row in await self._database.read("count_by_status")}

    async def start(self, id: str) -> Sandbox | None:
        """To running; None when its state does not lead there (any more)."""
        return await self._move("start_sandbox", id, Status.RUNNING)

    async def end(self, id: str, status: Status, reason: str) -> Sandbox | None:
        """To error or stopped; None when its state does not lead there (any more)."""
        return await self._move("end_sandbox", id, status, status=status, reason=reason)

    async def set_timeout(self, id: str, timeout_s: int) -> bool:
        """False: it does not run any more."""
        return await self._database.run(lambda session: session.change("set_timeout", id=id, timeout_s=timeout_s) > 0)

    async def record_activity(self, active: Mapping[str, int]) -> None:
        """Of sandboxes, by id: when each was last active."""
        rows = [{"id": id, "at": at} for id, at in active.items()]
        await self._database.run(lambda session: session.change_each("touch_sandbox", rows))

    async def _move(self, query: str, id: str, target: Status, **parameters: Any) -> Sandbox | None:
        sources = tuple(source for source, targets in TRANSITIONS.items() if target in targets)
        at = now()

        def work(session: Session) -> Sandbox | None:
            rows = _found(session.all(query, id=id, sources=sources, at=at, **parameters))
            for row in rows:
                record(session, row.org_id, id, TYPES[target], at, row.reason)
            return rows[0] if rows else None

        return await self._database.run(work)


def _too_many(session: Session, org_id: str, most: int) -> TooMany:
    row = session.one("count_sandboxes", org_id=org_id, statuses=ACTIVE)
    active = row["number"] if row else 0
    return TooMany(
        f"concurrent sandbox limit reached ({active}/{most})",
        hint="kill sandboxes that are no longer needed, or raise the host's setting max_sandboxes",
        active=active,
        limit=most,
    )


def _columns(wish: Wish) -> dict[str, Any]:
    return {
        "template": wish.template,
        **msgspec.structs.asdict(wish.size),
        "envs": msgspec.json.encode(wish.envs).decode(),
        "metadata": msgspec.json.encode(wish.metadata).decode(),
        "timeout_s": wish.timeout_s,
    }


def _found(rows: list[dict[str, Any]]) -> list[Sandbox]:
    return [_sandbox(row) for row in rows]


def _sandbox(row: dict[str, Any]) -> Sandbox:
    wish = Wish(
        template=row["template"],
        size=Size(float(row["cpus"]), row["memory_mb"], row["disk_mb"]),
        envs=msgspec.json.decode(row["envs"]),
        metadata=msgspec.json.decode(row["metadata"]),
        timeout_s=row["timeout_s"],
    )
    rest = {name: row[name] for name in Sandbox.__struct_fields__ if name in row}
    return Sandbox(**rest | {"wish": wish, "status": Status(row["status"]), "awaited": bool(row["awaited"])})
