"""Rows of sandboxes. `model.sandbox.TRANSITIONS` is enforced where a state changes: in the UPDATE itself."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from oc.api.timestamps import now
from oc.model.egress import Egress
from oc.model.errors import TooMany
from oc.model.ids import new_sandbox
from oc.model.sandbox import TRANSITIONS, Image, Origin, Size, Status
from oc.store.artifacts import discard
from oc.store.database import Database, Session
from oc.store.events import record
from oc.store.recent import Recent

ACTIVE = (Status.PENDING, Status.RUNNING)  # what counts against an organization's limit
ENDS = {Status.ERROR: "sandbox.failed", Status.STOPPED: "sandbox.stopped"}


class Tier(enum.StrEnum):
    """Where a hibernated sandbox is (contract 4.2); clients see no difference but the time that a wake takes."""

    FROZEN = "frozen"  # in its host's memory
    STORING = "storing"  # on its way to STORED
    STORED = "stored"  # in an artifact only


class By(enum.StrEnum):
    """Who has given a sandbox another size."""

    CLIENT = "client"
    SANDBOX = "sandbox"  # itself, from inside
    AUTOSCALE = "autoscale"


class Scale(msgspec.Struct, frozen=True):
    """The size that a sandbox is being given."""

    cpus: float
    memory_mb: int
    by: By


class Wish(msgspec.Struct, frozen=True):
    """A sandbox that is to be."""

    template: str
    size: Size
    envs: dict[str, str]
    metadata: dict[str, str]
    timeout_s: int  # without traffic; 0: never
    origin: Origin = Image()  # what its last start was from
    from_checkpoint: str | None = None  # that it is a fork of
    preview_hash: str | None = None  # SHA-256 of the token that its previews ask for; none: open
    egress: Egress = Egress()


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
    applied: int = 0  # sequence of its last patch
    patch_error: str | None = None
    hibernated_at: int | None = None
    tier: Tier | None = None
    hibernation: str | None = None  # artifact
    hibernation_bytes: int | None = None  # once the artifact is in the blob store
    waking: bool = False
    restoring: str | None = None  # checkpoint
    restore_error: str | None = None
    memory_kills: int = 0
    autoscale_min_mb: int | None = None  # both or none
    autoscale_max_mb: int | None = None
    scaling_locked: bool = False
    scaling: Scale | None = None

    @property
    def preview_hash(self) -> str | None:
        return self.wish.preview_hash


class Sandboxes:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._recent = Recent(database, self.get)

    async def add(self, org_id: str, wishes: Sequence[Wish], most: int, key: str | None = None) -> list[Sandbox]:
        """Records pending sandboxes, all or none; `key`: the Idempotency-Key that they are asked for with.

        Raises TooMany when the organization would have more than `most` (contract 4.4).
        """

        def work(session: Session) -> list[Sandbox]:
            made = [_add(session, org_id, wish, most, key is not None) for wish in wishes]
            if key is not None:
                session.change("name_subject", org_id=org_id, key=key, subject=" ".join(row.id for row in made))
            return made

        return await self._database.run(work)

    async def get(self, id: str) -> Sandbox | None:
        rows = found(await self._database.read("sandbox", id=id))
        return rows[0] if rows else None

    async def glance(self, id: str) -> Sandbox | None:
        """The same, for who asks again and again."""
        return await self._recent.get(id)

    async def of_organization(self, org_id: str, statuses: Collection[Status], most: int) -> list[Sandbox]:
        """Newest first."""
        parameters = {"org_id": org_id, "statuses": tuple(statuses), "most": most}
        return found(await self._database.read("sandboxes_of_organization", **parameters))

    async def in_states(self, *statuses: Status) -> list[Sandbox]:
        """Of all organizations."""
        return found(await self._database.read("sandboxes_in", statuses=statuses))

    async def count_by_status(self) -> dict[str, int]:
        return {row["status"]: row["number"] for row in await self._database.read("count_by_status")}

    async def start(self, id: str) -> Sandbox | None:
        """To running; None when its state does not lead there (any more)."""
        return await self._database.run(
            lambda session: move(session, "start_sandbox", id, Status.RUNNING, "sandbox.started")
        )

    async def end(self, id: str, status: Status, reason: str) -> Sandbox | None:
        """To error or stopped; None when its state does not lead there (any more)."""
        return await self._database.run(partial(_end, id, status, reason))

    async def set_timeout(self, id: str, timeout_s: int) -> bool:
        """False: it does not run any more."""
        return await self._database.run(lambda session: session.change("set_timeout", id=id, timeout_s=timeout_s) > 0)

    async def set_preview_hash(self, id: str, hash: str) -> bool:
        """The former token is dead from now on, also after a power cut. False: the sandbox has ended."""
        return await self._database.run(
            lambda session: session.change("set_preview_hash", id=id, hash=hash) > 0, durable=True
        )

    async def set_egress(self, id: str, egress: Egress) -> bool:
        """False: it has ended."""
        text = msgspec.json.encode(egress).decode()
        return await self._database.run(lambda session: session.change("set_egress", id=id, egress=text) > 0)

    async def governed_by(self, store_id: str) -> list[Sandbox]:
        """Running sandboxes that use a secret store."""
        running = await self.in_states(Status.RUNNING)
        return [row for row in running if store_id in row.wish.egress.stores]

    async def note_memory_kills(self, id: str, number: int) -> None:
        """How many processes have been killed in it, so that it did not run out of memory."""
        at = now()

        def work(session: Session) -> None:
            for row in found(session.all("note_memory_kills", id=id, number=number)):
                record(session, row.org_id, id, "sandbox.memory_kill", at, f"{number} so far")

        await self._database.run(work)

    async def record_activity(self, active: Mapping[str, int]) -> None:
        """Of sandboxes, by id: when each was last active."""
        rows = [{"id": id, "at": at} for id, at in active.items()]
        await self._database.run(lambda session: session.change_each("touch_sandbox", rows))


def move(session: Session, query: str, id: str, target: Status, type: str, **parameters: Any) -> Sandbox | None:
    """A change of state; None when its state does not lead there (any more)."""
    sources = tuple(source for source, targets in TRANSITIONS.items() if target in targets)
    at = now()
    rows = found(session.all(query, id=id, sources=sources, at=at, **parameters))
    for row in rows:
        record(session, row.org_id, id, type, at, row.reason)
    return rows[0] if rows else None


def _end(id: str, status: Status, reason: str, session: Session) -> Sandbox | None:
    """What it could be woken from has had its time, and so have its preview URLs (contract 2.9.2)."""
    ended = move(session, "end_sandbox", id, status, ENDS[status], status=status, reason=reason)
    if ended is not None:
        session.change("delete_previews_of_sandbox", sandbox_id=id)
    if ended is not None and ended.hibernation is not None:
        discard(session, ended.hibernation, id)
    return ended


def _add(session: Session, org_id: str, wish: Wish, most: int, awaited: bool) -> Sandbox:
    id, at = new_sandbox(), now()
    limit = {"most": most, "active": ACTIVE}
    if not session.change("add_sandbox", id=id, org_id=org_id, awaited=int(awaited), at=at, **limit, **_columns(wish)):
        raise too_many(session, org_id, most)
    record(session, org_id, id, "sandbox.created", at, wish.from_checkpoint)
    return found(session.all("sandbox", id=id))[0]


def too_many(session: Session, org_id: str, most: int) -> TooMany:
    active = session.all("count_active", org_id=org_id, active=ACTIVE)[0]["number"]
    return TooMany(
        f"concurrent sandbox limit reached ({active}/{most})",
        hint="kill or hibernate sandboxes that are not needed now, or raise the host's setting max_sandboxes",
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
        "origin": msgspec.json.encode(wish.origin).decode(),
        "from_checkpoint": wish.from_checkpoint,
        "preview_hash": wish.preview_hash,
        "egress": msgspec.json.encode(wish.egress).decode(),
    }


def found(rows: list[dict[str, Any]]) -> list[Sandbox]:
    return [_sandbox(row) for row in rows]


def _sandbox(row: dict[str, Any]) -> Sandbox:
    wish = Wish(
        template=row["template"],
        size=Size(float(row["cpus"]), row["memory_mb"], row["disk_mb"]),
        envs=msgspec.json.decode(row["envs"]),
        metadata=msgspec.json.decode(row["metadata"]),
        timeout_s=row["timeout_s"],
        origin=msgspec.json.decode(row["origin"], type=Origin),
        from_checkpoint=row["from_checkpoint"],
        preview_hash=row["preview_hash"],
        egress=msgspec.json.decode(row["egress"], type=Egress),
    )
    rest = {name: row[name] for name in Sandbox.__struct_fields__ if name in row}
    made = {
        "wish": wish,
        "status": Status(row["status"]),
        "tier": row["tier"] and Tier(row["tier"]),
        "awaited": bool(row["awaited"]),
        "waking": bool(row["waking"]),
        "scaling_locked": bool(row["scaling_locked"]),
        "scaling": row["scaling"] and msgspec.json.decode(row["scaling"], type=Scale),
    }
    return Sandbox(**rest | made)
