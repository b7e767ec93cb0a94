"""Create, list, show and kill sandboxes; their idle timeout (contract 2.1)."""

from __future__ import annotations

from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from oc.api.bodies import CreateSandbox, SetTimeout
from oc.model.errors import BadRequest
from oc.model.sandbox import Status
from oc.server import answers, request_body, wishes
from oc.server.activity import Activity
from oc.server.gate import Gate, refusal
from oc.server.hosts import Worker
from oc.server.idempotency import Once, fingerprint, key_of
from oc.server.lifecycle import Lifecycle
from oc.settings import Settings
from oc.store.accounts import Caller
from oc.store.sandboxes import Sandbox, Wish
from oc.store.store import Store

LISTED = (Status.RUNNING, Status.HIBERNATED)  # when nothing else is asked for (contract 2.1.3)
MOST_LISTED = 1000
KILLED, LEFT = "killed", "its client went away before it was ready"


class SandboxCalls:
    def __init__(
        self, settings: Settings, store: Store, worker: Worker, lifecycle: Lifecycle, gate: Gate, activity: Activity
    ) -> None:
        self._settings = settings
        self._rows = store.sandboxes
        self._worker = worker
        self._lifecycle = lifecycle
        self._gate = gate
        self._activity = activity
        self._once = Once(store.idempotency)

    async def create(self, request: Request, caller: Caller) -> Response:
        key = key_of(request)
        body = await request_body.read(request, CreateSandbox)
        wish = wishes.wish(body, self._settings, await self._worker.host())
        if key is None:
            return await self._create_for(request, caller, wish)
        make = partial(self._go_on, caller, wish, key)
        answer = await self._once.answer(caller.org_id, key, fingerprint("createSandbox", body), make)
        return Response(answer, 201, media_type=answers.JSON)

    async def list(self, request: Request, caller: Caller) -> Response:
        statuses = _statuses(request.query_params.get("status", ""))
        rows = await self._rows.of_organization(caller.org_id, statuses, MOST_LISTED)
        return answers.json([answers.sandbox(row, self._settings) for row in rows])

    async def get(self, request: Request, caller: Caller) -> Response:
        return answers.json(answers.sandbox(await self._gate.any(request, caller), self._settings))

    async def kill(self, request: Request, caller: Caller) -> Response:
        """Asks the worker again for one that is stopped: 204 says that nothing is left (contract 2.1.5)."""
        sandbox = await self._gate.any(request, caller)
        await self._lifecycle.stop(sandbox.id, KILLED)
        return answers.nothing()

    async def set_timeout(self, request: Request, caller: Caller) -> Response:
        body = await request_body.read(request, SetTimeout)
        sandbox = await self._gate.running(request, caller)
        if not await self._rows.set_timeout(sandbox.id, wishes.timeout(body.timeout)):
            raise refusal(await self._gate.any(request, caller))
        self._activity.touch(sandbox.id)
        return answers.nothing()

    async def _create_for(self, request: Request, caller: Caller, wish: Wish) -> Response:
        """Without a key nobody can ask for it again: it goes when its client has gone."""
        sandbox = await self._lifecycle.create(caller.org_id, wish)
        if await request.is_disconnected():
            await self._lifecycle.stop(sandbox.id, LEFT)
        return answers.json(answers.sandbox(sandbox, self._settings), 201)

    async def _go_on(self, caller: Caller, wish: Wish, key: str, id: str | None) -> bytes:
        sandbox = await self._begun(id) or await self._lifecycle.create(caller.org_id, wish, key)
        return msgspec.json.encode(answers.sandbox(sandbox, self._settings))

    async def _begun(self, id: str | None) -> Sandbox | None:
        """What an earlier try under the same key has come to, if it can still be answered with."""
        sandbox = await self._rows.get(id) if id else None
        if sandbox is not None and sandbox.status is Status.PENDING:
            return await self._lifecycle.start(sandbox)
        return sandbox if sandbox is not None and sandbox.status is Status.RUNNING else None


def _statuses(text: str) -> tuple[Status, ...]:
    if text == "all":
        return tuple(Status)
    try:
        return tuple(Status(word) for word in text.split(",")) if text else LISTED
    except ValueError:
        allowed = ", ".join(Status)
        raise BadRequest(f"status must be all, or some of: {allowed}, separated by commas") from None
