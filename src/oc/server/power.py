"""Hibernate, wake, reboot (contract 2.1.6, 2.1.7, 2.1.9)."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from oc.api.bodies import Wake
from oc.model.errors import BadRequest, Unavailable
from oc.model.sandbox import Status
from oc.server import answers, request_body, wishes
from oc.server.activity import Activity
from oc.server.changes import Changes
from oc.server.gate import Gate, not_running
from oc.server.hosts import Worker
from oc.server.sleep import Sleep
from oc.settings import Settings
from oc.store.accounts import Caller
from oc.store.sandboxes import Sandbox, Sandboxes


class PowerCalls:
    def __init__(
        self,
        settings: Settings,
        sandboxes: Sandboxes,
        worker: Worker,
        changes: Changes,
        sleep: Sleep,
        gate: Gate,
        activity: Activity,
    ) -> None:
        self._settings = settings
        self._rows = sandboxes
        self._worker = worker
        self._changes = changes
        self._sleep = sleep
        self._gate = gate
        self._activity = activity

    async def hibernate(self, request: Request, caller: Caller) -> Response:
        sandbox = await self._gate.any(request, caller)
        if sandbox.status is Status.HIBERNATED:
            return self._hibernated(sandbox, "already hibernated")
        if sandbox.status is Status.RUNNING:
            sandbox = await self._sleep.hibernate(sandbox.id)
        if sandbox.status is Status.RUNNING:
            what = "restored" if sandbox.scaling is None else "scaled"
            raise Unavailable(f"sandbox {sandbox.id} is being {what}", hint="try again in a few seconds")
        if sandbox.status is not Status.HIBERNATED:
            raise not_running(sandbox)
        return self._hibernated(sandbox, "hibernated")

    async def wake(self, request: Request, caller: Caller) -> Response:
        """One that runs is awake already; its timeout is set all the same (contract 4.2)."""
        seconds = wishes.timeout((await request_body.read(request, Wake)).timeout or 0)
        sandbox = await self._gate.running(request, caller, _not_hibernated)
        self._activity.touch(sandbox.id)
        await self._rows.set_timeout(sandbox.id, seconds)
        return answers.json(answers.sandbox(await self._gate.any(request, caller), self._settings))

    async def reboot(self, request: Request, caller: Caller) -> Response:
        """Both kinds: here a reset and a power cut are the same to the sandbox."""
        sandbox = await self._gate.running(request, caller, not_running)
        with self._activity.busy(sandbox.id):
            await self._changes.do(sandbox.id, "reboot", partial(self._worker.reboot, sandbox.id))
        return answers.nothing()

    def _hibernated(self, sandbox: Sandbox, message: str) -> Response:
        return answers.json(answers.hibernated(sandbox, message, self._settings))


def _not_hibernated(sandbox: Sandbox) -> BadRequest:
    return BadRequest(f"sandbox is not hibernated ({sandbox.id} is {sandbox.status})")
