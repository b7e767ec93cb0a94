"""Create, list, show and kill sandboxes; their idle timeout (contract 2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from oc.api.bodies import CreateSandbox, SandboxAnswer, SetTimeout
from oc.model.egress import Egress
from oc.model.errors import BadRequest
from oc.model.sandbox import Status
from oc.server import answers, request_body, wishes
from oc.server.activity import Activity
from oc.server.egress import Governing
from oc.server.egress_calls import rules
from oc.server.gate import Gate, refusal
from oc.server.hosts import Worker
from oc.server.lifecycle import Lifecycle
from oc.server.making import Making
from oc.settings import Settings
from oc.store.accounts import Caller, digest
from oc.store.sandboxes import Sandbox
from oc.store.store import Store

LISTED = (Status.RUNNING, Status.HIBERNATED)  # when nothing else is asked for (contract 2.1.3)
MOST_LISTED = 1000
KILLED = "killed"
YES = frozenset(("1", "true", "yes", "y", "on"))  # contract 2.1.5


class SandboxCalls:
    def __init__(
        self,
        settings: Settings,
        store: Store,
        worker: Worker,
        lifecycle: Lifecycle,
        gate: Gate,
        activity: Activity,
        making: Making,
        governing: Governing,
    ) -> None:
        self._settings = settings
        self._rows = store.sandboxes
        self._worker = worker
        self._lifecycle = lifecycle
        self._gate = gate
        self._activity = activity
        self._making = making
        self._governing = governing

    async def create(self, request: Request, caller: Caller) -> Response:
        body = await request_body.read(request, CreateSandbox)
        token = wishes.preview_token(body.preview_auth)
        wish = wishes.wish(body, self._settings, await self._worker.host())
        if token is not None:
            wish = msgspec.structs.replace(wish, preview_hash=digest(token))
        egress = Egress(rules=rules(body.egress, body.network_enabled))
        wish = await self._governing.governed(wish, caller.org_id, egress, body.secret_store)
        return await self._making.answer(request, caller, body, [wish], partial(self._show, token))

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
        if request.query_params.get("deleteSecretStore", "").lower() in YES:
            await self._governing.delete_store(sandbox)
        return answers.nothing()

    async def set_timeout(self, request: Request, caller: Caller) -> Response:
        seconds = wishes.timeout((await request_body.read(request, SetTimeout)).timeout)
        sandbox = await self._gate.running(request, caller)
        self._activity.touch(sandbox.id)
        if not await self._rows.set_timeout(sandbox.id, seconds):
            raise refusal(await self._gate.any(request, caller))
        return answers.nothing()

    def _show(self, token: str | None, made: Sequence[Sandbox]) -> SandboxAnswer:
        return msgspec.structs.replace(answers.sandbox(made[0], self._settings), preview_auth_token=token)


def _statuses(text: str) -> tuple[Status, ...]:
    if text == "all":
        return tuple(Status)
    try:
        return tuple(Status(word) for word in text.split(",")) if text else LISTED
    except ValueError:
        allowed = ", ".join(Status)
        raise BadRequest(f"status must be all, or some of: {allowed}, separated by commas") from None
