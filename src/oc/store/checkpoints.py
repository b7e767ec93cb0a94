"""Rows of checkpoints. Those that are deleted stay, as what forks have come from."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from oc.api.timestamps import now
from oc.model.artifact import Artifact
from oc.model.egress import Egress
from oc.model.errors import BadRequest, Conflict
from oc.model.ids import new_uuid
from oc.model.sandbox import Size
from oc.store.artifacts import discard
from oc.store.database import Database, Session
from oc.store.events import record

Kind = Literal["full", "disk_only"]
LIMITS: dict[Kind, int] = {"full": 10, "disk_only": 100}  # of one sandbox (contract 4.4)


class Progress(enum.StrEnum):
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"


PROGRESS = {"storing": Progress.PROCESSING, "stored": Progress.READY, "failed": Progress.FAILED}  # by artifact's state


class Request(msgspec.Struct, frozen=True):
    """A checkpoint that is to be. `keep`: how many of its kind there may be then; older ones are deleted."""

    name: str
    kind: Kind
    keep: int | None = None


class Checkpoint(msgspec.Struct, frozen=True):
    id: str
    org_id: str
    sandbox_id: str
    name: str
    kind: Kind
    status: Progress
    reason: str | None
    size_bytes: int
    public: bool
    template: str
    size: Size
    envs: dict[str, str]
    metadata: dict[str, str]
    egress: Egress
    keep: int | None
    awaited: bool  # made under an Idempotency-Key: its client will ask for it again
    created_at: int
    saved_at: int | None
    failed_at: int | None
    deleted_at: int | None

    @property
    def memory(self) -> bool:
        return self.kind == "full"


class Checkpoints:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, sandbox_id: str, request: Request, key: str | None = None) -> Checkpoint:
        """Records one to be made. Raises Conflict when its name is taken, BadRequest when there are too many."""
        id = new_uuid()
        columns = {**msgspec.structs.asdict(request), "awaited": int(key is not None), "at": now()}

        def work(session: Session) -> Checkpoint:
            _admit(session, sandbox_id, request)
            session.change("add_checkpoint", id=id, sandbox_id=sandbox_id, **columns)
            made = found(session.all("checkpoint", id=id))[0]
            if key is not None:
                session.change("name_subject", org_id=made.org_id, key=key, subject=id)
            return made

        return await self._database.run(work)

    async def get(self, id: str) -> Checkpoint | None:
        """Also one that is deleted."""
        rows = found(await self._database.read("checkpoint", id=id))
        return rows[0] if rows else None

    async def of_sandbox(self, sandbox_id: str) -> list[Checkpoint]:
        """Newest first."""
        return found(await self._database.read("checkpoints_of_sandbox", sandbox_id=sandbox_id))

    async def processing(self) -> list[Checkpoint]:
        """Of all organizations."""
        return found(await self._database.read("checkpoints_processing"))

    async def record(self, artifact: Artifact) -> Checkpoint | None:
        """What the worker says of one that it has; None when it is deleted, or was ready or failed before.

        The first time, older ones go if it was asked for with a number to keep.
        """
        status, at = PROGRESS[artifact.state], now()
        if status is Progress.FAILED:
            return await self.fail(artifact.id, artifact.reason or "the worker does not say why")
        size = max(artifact.plain_bytes, 1) if status is Progress.READY else 0  # clients take 0 for not ready

        def work(session: Session) -> Checkpoint | None:
            before = session.one("checkpoint", id=artifact.id)
            columns = {"status": status, "reason": artifact.reason, "bytes": size, "at": at}
            rows = found(session.all("save_checkpoint", id=artifact.id, **columns))
            for row in rows if before and before["saved_at"] is None else ():
                record(session, row.org_id, row.sandbox_id, "sandbox.checkpoint.created", at, row.id)
                _prune(session, row)
            return rows[0] if rows else None

        return await self._database.run(work)

    async def fail(self, id: str, reason: str) -> Checkpoint | None:
        """None when it was ready or failed before. What there is of its artifact is not wanted."""

        def work(session: Session) -> Checkpoint | None:
            rows = found(session.all("fail_checkpoint", id=id, reason=reason, at=now()))
            for row in rows:
                discard(session, row.id, row.sandbox_id)
                record(session, row.org_id, row.sandbox_id, "sandbox.checkpoint.failed", now(), reason)
            return rows[0] if rows else None

        return await self._database.run(work)

    async def delete(self, id: str) -> bool:
        """False: there is none."""
        return await self._database.run(lambda session: _delete(session, id))

    async def publish(self, id: str, public: bool) -> Checkpoint | None:
        def work(session: Session) -> list[Checkpoint]:
            return found(session.all("publish_checkpoint", id=id, public=int(public)))

        rows = await self._database.run(work)
        return rows[0] if rows else None


def _admit(session: Session, sandbox_id: str, request: Request) -> None:
    if session.one("checkpoint_named", sandbox_id=sandbox_id, name=request.name):
        raise Conflict("checkpoint name already exists for this sandbox", hint="choose another name")
    of_kind = {"sandbox_id": sandbox_id, "kind": request.kind}
    present, most = session.all("count_checkpoints", **of_kind)[0]["number"], LIMITS[request.kind]
    if present < most or (request.keep and session.all("prunable_checkpoints", **of_kind)):
        return
    raise BadRequest(
        f"maximum {most} {request.kind} checkpoints per sandbox",
        hint="delete one, or let the oldest go with the retention policy delete_oldest",
    )


def _prune(session: Session, saved: Checkpoint) -> None:
    """Only now that there is a newer one, the oldest go."""
    if saved.keep is None:
        return
    of_kind = {"sandbox_id": saved.sandbox_id, "kind": saved.kind}
    excess = session.all("count_checkpoints", **of_kind)[0]["number"] - saved.keep
    older = (row["id"] for row in session.all("prunable_checkpoints", **of_kind) if row["id"] != saved.id)
    for id, _ in zip(older, range(excess), strict=False):
        _delete(session, id)


def _delete(session: Session, id: str) -> bool:
    rows = found(session.all("delete_checkpoint", id=id, at=now()))
    for row in rows:
        discard(session, row.id, row.sandbox_id)
    return bool(rows)


def found(rows: Sequence[dict[str, Any]]) -> list[Checkpoint]:
    return [_checkpoint(row) for row in rows]


def _checkpoint(row: dict[str, Any]) -> Checkpoint:
    rest = {name: row[name] for name in Checkpoint.__struct_fields__ if name in row}
    made = {
        "status": Progress(row["status"]),
        "public": bool(row["public"]),
        "awaited": bool(row["awaited"]),
        "size": Size(float(row["cpus"]), row["memory_mb"], row["disk_mb"]),
        "envs": msgspec.json.decode(row["envs"]),
        "metadata": msgspec.json.decode(row["metadata"]),
        "egress": msgspec.json.decode(row["egress"], type=Egress),
    }
    return Checkpoint(**rest | made)
