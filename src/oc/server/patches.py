"""Patches of a checkpoint: add, list, delete (contract 2.7)."""

from __future__ import annotations

from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from oc.api.bodies import CreatePatch, PatchCreated
from oc.model.errors import BadRequest, NotFound, TooLarge
from oc.server import answers, request_body
from oc.server.checkpointing import Checkpointing
from oc.server.checkpoints import id_of, own
from oc.server.idempotency import Once, fingerprint, key_of
from oc.store.accounts import Caller
from oc.store.store import Store
from oc.wire.messages import MAX_TEXT

LONGEST_DESCRIPTION = 1000


class PatchCalls:
    def __init__(self, store: Store, checkpointing: Checkpointing) -> None:
        self._rows = store.patches
        self._checkpoints = store.checkpoints
        self._checkpointing = checkpointing
        self._once = Once(store.idempotency)

    async def create(self, request: Request, caller: Caller) -> Response:
        key, body = key_of(request), await request_body.read(request, CreatePatch)
        _check(body)
        checkpoint = await own(self._checkpoints, request, caller)
        await self._checkpointing.ready(checkpoint.id)
        make = partial(self._make, caller.org_id, checkpoint.id, body, key)
        if key is None:
            answer = await make(None)
        else:
            answer = await self._once.answer(caller.org_id, key, fingerprint(request.url.path, body), make)
        return Response(answer, 201, media_type=answers.JSON)

    async def list(self, request: Request, caller: Caller) -> Response:
        checkpoint = await own(self._checkpoints, request, caller)
        return answers.json([answers.patch(row) for row in await self._rows.after(checkpoint.id)])

    async def delete(self, request: Request, caller: Caller) -> Response:
        id = id_of(request, "patch")
        checkpoint = await own(self._checkpoints, request, caller)
        if not await self._rows.delete(checkpoint.id, id):
            raise NotFound(f"patch not found: {id}")
        return answers.nothing()

    async def _make(self, org_id: str, checkpoint: str, body: CreatePatch, key: str | None, begun: str | None) -> bytes:
        row = await self._rows.get(begun) if begun else None
        row = row or await self._rows.add(org_id, checkpoint, body.script, body.description or "", key)
        return msgspec.json.encode(PatchCreated(answers.patch(row)))


def _check(body: CreatePatch) -> None:
    """Raises BadRequest and TooLarge. A script is passed to bash as one argument."""
    if not body.script.strip():
        raise BadRequest("script must not be empty")
    if "\0" in body.script:
        raise BadRequest("script must not contain NUL")
    if len(body.script.encode()) > MAX_TEXT:
        raise TooLarge(f"script is too long: at most {MAX_TEXT} bytes", hint="let it fetch what it needs")
    if len(body.description or "") > LONGEST_DESCRIPTION:
        raise TooLarge(f"description is too long: at most {LONGEST_DESCRIPTION} characters")
