"""Checkpoints of a sandbox: make, list, delete, publish, restore (contract 2.6)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from oc.api.bodies import CreateCheckpoint, Restoring, Retention
from oc.model.errors import BadRequest, Forbidden, NotFound
from oc.model.ids import UUID
from oc.server import answers, request_body
from oc.server.activity import Activity
from oc.server.checkpointing import Checkpointing
from oc.server.gate import Gate, not_running
from oc.server.idempotency import Once, fingerprint, key_of
from oc.server.restores import Restores
from oc.store.accounts import Caller
from oc.store.checkpoints import LIMITS, Checkpoint, Checkpoints, Kind, Progress
from oc.store.checkpoints import Request as Wanted
from oc.store.sandboxes import Sandbox
from oc.store.store import Store

LONGEST_NAME = 128


def id_of(request: Request, name: str = "checkpoint") -> str:
    """Raises BadRequest."""
    id: str = request.path_params[name]
    if not UUID.fullmatch(id):
        raise BadRequest(f"invalid {name} ID", hint="it is a UUID")
    return id


async def existing(rows: Checkpoints, request: Request) -> Checkpoint:
    """The checkpoint that the path names. Raises BadRequest and NotFound."""
    row = await rows.get(id_of(request))
    if row is None or row.deleted_at is not None:
        raise NotFound(f"checkpoint not found: {request.path_params['checkpoint']}")
    return row


async def own(rows: Checkpoints, request: Request, caller: Caller) -> Checkpoint:
    """Raises Forbidden too (contract 1.3)."""
    row = await existing(rows, request)
    if row.org_id != caller.org_id:
        raise Forbidden("checkpoint does not belong to this organization")
    return row


class CheckpointCalls:
    def __init__(
        self, store: Store, checkpointing: Checkpointing, restores: Restores, gate: Gate, activity: Activity
    ) -> None:
        self._rows = store.checkpoints
        self._checkpointing = checkpointing
        self._restores = restores
        self._gate = gate
        self._activity = activity
        self._once = Once(store.idempotency)

    async def create(self, request: Request, caller: Caller) -> Response:
        key, body = key_of(request), await request_body.read(request, CreateCheckpoint)
        wanted = _wanted(body)
        sandbox = await self._gate.running(request, caller, not_running)
        with self._activity.busy(sandbox.id):
            make = partial(self._make, sandbox, wanted, key)
            if key is None:
                answer = await make(None)
            else:
                answer = await self._once.answer(caller.org_id, key, fingerprint(request.url.path, body), make)
        return Response(answer, 201, media_type=answers.JSON)

    async def list(self, request: Request, caller: Caller) -> Response:
        sandbox = await self._gate.any(request, caller)
        return answers.json([answers.checkpoint(row) for row in await self._rows.of_sandbox(sandbox.id)])

    async def delete(self, request: Request, caller: Caller) -> Response:
        row = await self._of_sandbox(request, await self._gate.any(request, caller))
        if not await self._rows.delete(row.id):
            raise NotFound(f"checkpoint not found: {row.id}")
        return answers.nothing()

    async def restore(self, request: Request, caller: Caller) -> Response:
        row = await self._of_sandbox(request, await self._gate.any(request, caller))
        if row.status is not Progress.READY:
            raise BadRequest(f"checkpoint is not ready (status: {row.status})", hint="list checkpoints to see why")
        sandbox = await self._gate.running(request, caller, not_running)
        self._activity.touch(sandbox.id)
        if not await self._restores.begin(sandbox.id, row):
            raise not_running(await self._gate.any(request, caller))
        return answers.json(Restoring(sandbox.id, row.id))

    def publishing(self, public: bool) -> Callable[[Request, Caller], Awaitable[Response]]:
        """The handler that makes checkpoints public, or private again."""

        async def publish(request: Request, caller: Caller) -> Response:
            row = await own(self._rows, request, caller)
            changed = await self._rows.publish(row.id, public)
            if changed is None:
                raise NotFound(f"checkpoint not found: {row.id}")
            return answers.json(answers.checkpoint(changed))

        return publish

    async def _of_sandbox(self, request: Request, sandbox: Sandbox) -> Checkpoint:
        row = await existing(self._rows, request)
        if row.sandbox_id != sandbox.id:
            raise BadRequest(f"checkpoint {row.id} is not of sandbox {sandbox.id}")
        return row

    async def _make(self, sandbox: Sandbox, wanted: Wanted, key: str | None, begun: str | None) -> bytes:
        row = await self._rows.get(begun) if begun else None
        if row is None or row.failed_at is not None or row.deleted_at is not None:
            row = await self._rows.add(sandbox.id, wanted, key)
        if row.saved_at is None:
            row = await self._checkpointing.make(row)
        return msgspec.json.encode(answers.checkpoint(row))


def _wanted(body: CreateCheckpoint) -> Wanted:
    """Raises BadRequest."""
    if body.promote_to_full:
        raise BadRequest(
            "promoteToFull is not available: a checkpoint of the disk alone cannot become one with memory here",
            hint="make a checkpoint of kind full",
        )
    kind: Kind = body.kind or "full"
    return Wanted(_name(body.name), kind, _keep(body.retention_policy, kind))


def _name(name: str) -> str:
    if not name or name != name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise BadRequest(f"name must be 1 to {LONGEST_NAME} printable characters without blanks at its ends")
    return name


def _keep(policy: Retention | None, kind: Kind) -> int | None:
    if policy is None or policy.mode == "none":
        return None
    most = LIMITS[kind]
    keep = policy.max_count if policy.max_count is not None else most
    if not 1 <= keep <= most:
        raise BadRequest(f"retentionPolicy.maxCount must be from 1 to {most} for kind {kind} (got {keep})")
    return keep
