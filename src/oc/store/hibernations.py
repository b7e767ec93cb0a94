"""How sandboxes sleep and wake, and how they are put back, as their rows tell it (contract 4.1, 4.2)."""

from __future__ import annotations

import msgspec

from oc.api.timestamps import now
from oc.model.sandbox import Checkpoint, Status
from oc.store.artifacts import discard
from oc.store.database import Database, Session
from oc.store.events import record
from oc.store.sandboxes import ACTIVE, Sandbox, Tier, found, move, too_many


class Hibernations:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, id: str) -> Sandbox | None:
        """To hibernated, frozen at first; None when its state does not lead there (any more), or amid a restore."""
        return await self._database.run(
            lambda session: move(session, "hibernate_sandbox", id, Status.HIBERNATED, "sandbox.hibernated")
        )

    async def begin_storing(self, id: str, artifact: str) -> Sandbox | None:
        """None when it is not frozen any more. The artifact of an earlier hibernation has had its time."""

        def work(session: Session) -> Sandbox | None:
            before = session.one("sandbox", id=id)
            rows = found(session.all("begin_storing", id=id, artifact=artifact))
            if rows and before and before["hibernation"]:
                discard(session, before["hibernation"], id)
            return rows[0] if rows else None

        return await self._database.run(work)

    async def end_storing(self, id: str) -> Sandbox | None:
        """It has left its host; None when it is not hibernated any more."""
        rows = await self._database.run(lambda session: found(session.all("end_storing", id=id)))
        return rows[0] if rows else None

    async def undo_storing(self, frozen: Sandbox) -> Sandbox | None:
        """It could not be stored and stays frozen; None when it is not hibernated any more."""

        def work(session: Session) -> Sandbox | None:
            rows = found(session.all("undo_storing", id=frozen.id))
            if rows and frozen.hibernation:
                discard(session, frozen.hibernation, frozen.id)
            return rows[0] if rows else None

        return await self._database.run(work)

    async def in_tiers(self, *tiers: Tier) -> list[Sandbox]:
        """Of all organizations, longest asleep first, without those that are waking up."""
        return found(await self._database.read("hibernations_in_tiers", tiers=tiers))

    async def unsized(self) -> list[Sandbox]:
        """Those whose artifacts are not known to be in the blob store."""
        return found(await self._database.read("unsized_hibernations"))

    async def record_size(self, id: str, artifact: str, bytes: int) -> None:
        await self._database.run(
            lambda session: session.change("size_hibernation", id=id, artifact=artifact, bytes=bytes)
        )

    async def begin_wake(self, asleep: Sandbox, most: int) -> Sandbox | None:
        """None when it is not hibernated any more. Raises TooMany: it would be one more than `most` that run."""
        stored = asleep.tier is Tier.STORED and asleep.hibernation is not None
        origin = Checkpoint(asleep.hibernation or "") if stored else asleep.wish.origin
        columns = {
            "org_id": asleep.org_id,
            "active": ACTIVE,
            "most": most,
            "origin": msgspec.json.encode(origin).decode(),
        }

        def work(session: Session) -> Sandbox | None:
            rows = found(session.all("begin_wake", id=asleep.id, **columns))
            if rows:
                return rows[0]
            now_is = found(session.all("sandbox", id=asleep.id))[0]
            if now_is.status is Status.HIBERNATED:
                raise too_many(session, asleep.org_id, most)
            return None

        return await self._database.run(work)

    async def end_wake(self, id: str) -> None:
        """It has failed, and may be tried again."""
        await self._database.run(lambda session: session.change("end_wake", id=id))

    async def wake(self, id: str) -> Sandbox | None:
        """To running; None when its state does not lead there (any more)."""
        return await self._database.run(
            lambda session: move(session, "start_sandbox", id, Status.RUNNING, "sandbox.resumed")
        )

    async def begin_restore(self, id: str, checkpoint_id: str) -> Sandbox | None:
        """None when it does not run any more."""

        def work(session: Session) -> list[Sandbox]:
            return found(session.all("begin_restore", id=id, checkpoint_id=checkpoint_id))

        rows = await self._database.run(work)
        return rows[0] if rows else None

    async def end_restore(self, id: str, checkpoint_id: str, error: str | None) -> None:
        """`error`: why it is as it was before."""

        def work(session: Session) -> None:
            for row in found(session.all("end_restore", id=id, checkpoint_id=checkpoint_id, error=error)):
                type = "sandbox.restored" if error is None else "sandbox.restore.failed"
                record(session, row.org_id, id, type, now(), error)

        await self._database.run(work)
