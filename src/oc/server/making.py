"""New sandboxes for a request: all that it asks for, or none; once for each Idempotency-Key (contract 2.1.1, 2.6.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from oc.model.sandbox import Status
from oc.server import answers
from oc.server.idempotency import Once, fingerprint, key_of
from oc.server.lifecycle import Lifecycle
from oc.store.accounts import Caller
from oc.store.sandboxes import Sandbox, Wish
from oc.store.store import Store

LEFT = "its client went away before it was ready"
Show = Callable[[list[Sandbox]], Any]


class Making:
    def __init__(self, store: Store, lifecycle: Lifecycle) -> None:
        self._rows = store.sandboxes
        self._lifecycle = lifecycle
        self._once = Once(store.idempotency)

    async def answer(
        self, request: Request, caller: Caller, body: msgspec.Struct, wishes: Sequence[Wish], show: Show
    ) -> Response:
        """`show` makes the answer's body of them."""
        key = key_of(request)
        if key is None:
            return await self._for_one_request(request, caller, wishes, show)
        make = partial(self._go_on, caller, wishes, show, key)
        answer = await self._once.answer(caller.org_id, key, fingerprint(request.url.path, body), make)
        return Response(answer, 201, media_type=answers.JSON)

    async def _for_one_request(self, request: Request, caller: Caller, wishes: Sequence[Wish], show: Show) -> Response:
        """Without a key nobody can ask for them again: they go when their client has gone."""
        made = await self._lifecycle.create(caller.org_id, wishes)
        if await request.is_disconnected():
            for sandbox in made:
                await self._lifecycle.stop(sandbox.id, LEFT)
        return answers.json(show(made), 201)

    async def _go_on(self, caller: Caller, wishes: Sequence[Wish], show: Show, key: str, subject: str | None) -> bytes:
        begun = await self._begun(subject.split(), wishes) if subject else []
        return msgspec.json.encode(show(begun or await self._lifecycle.create(caller.org_id, wishes, key)))

    async def _begun(self, ids: Sequence[str], wishes: Sequence[Wish]) -> list[Sandbox]:
        """What an earlier try under the same key has come to, if all of it can still be answered with.

        Nobody has been told its preview tokens: those of this try take their place.
        """
        rows = [row for id in ids if (row := await self._rows.get(id)) is not None]
        if not all(row.status in {Status.PENDING, Status.RUNNING} for row in rows):
            return []
        for row, wish in zip(rows, wishes, strict=True):
            if wish.preview_hash is not None:
                await self._rows.set_preview_hash(row.id, wish.preview_hash)
        await self._lifecycle.start_all([row for row in rows if row.status is Status.PENDING])
        return [row for id in ids if (row := await self._rows.get(id)) is not None]
