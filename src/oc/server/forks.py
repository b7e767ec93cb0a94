"""Sandboxes from a checkpoint (contract 2.6.4)."""

from __future__ import annotations

from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from oc.api.bodies import Fork, SandboxAnswer
from oc.model.egress import Egress, Rules
from oc.model.errors import BadRequest, Forbidden
from oc.server import answers, request_body, wishes
from oc.server.checkpointing import Checkpointing
from oc.server.checkpoints import existing
from oc.server.egress import Governing
from oc.server.egress_calls import rules
from oc.server.hosts import Worker
from oc.server.making import Making
from oc.settings import Settings
from oc.store.accounts import Caller
from oc.store.checkpoints import Checkpoint
from oc.store.sandboxes import Sandbox
from oc.store.store import Store

MOST_AT_ONCE = 50


class ForkCalls:
    def __init__(
        self,
        settings: Settings,
        store: Store,
        worker: Worker,
        checkpointing: Checkpointing,
        making: Making,
        governing: Governing,
    ) -> None:
        self._settings = settings
        self._rows = store.checkpoints
        self._worker = worker
        self._checkpointing = checkpointing
        self._making = making
        self._governing = governing

    async def fork(self, request: Request, caller: Caller) -> Response:
        body = await request_body.read(request, Fork)
        count = _count(body.count)
        row = await existing(self._rows, request)
        if row.org_id != caller.org_id and not row.public:
            raise Forbidden("checkpoint does not belong to this organization")
        row = await self._checkpointing.whole(row.id)
        wish = wishes.fork(body, row, await self._worker.host())
        egress = _inherited(row, caller, rules(body.egress))
        wish = await self._governing.governed(wish, caller.org_id, egress, body.secret_store)
        show = partial(self._show, body.count is not None)
        return await self._making.answer(request, caller, body, [wish] * count, show)

    def _show(self, several: bool, made: list[Sandbox]) -> SandboxAnswer | list[SandboxAnswer]:
        shown = [answers.sandbox(sandbox, self._settings) for sandbox in made]
        return shown if several else shown[0]


def _inherited(row: Checkpoint, caller: Caller, said: Rules | None) -> Egress:
    """Its checkpoint's, unless the fork says otherwise; another organization's secrets are not for it."""
    own = row.org_id == caller.org_id
    egress = row.egress if own else Egress(rules=row.egress.rules)
    return egress if said is None else msgspec.structs.replace(egress, rules=said)


def _count(count: int | None) -> int:
    if count is not None and not 1 <= count <= MOST_AT_ONCE:
        raise BadRequest(f"count must be from 1 to {MOST_AT_ONCE} (got {count})")
    return count or 1
