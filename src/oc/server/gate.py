"""Which sandbox a request is about, and whether anything can be done in it (contract 1.3, 4.1)."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from oc.model.errors import Gone, NotFound, OpenComputerError, Unavailable
from oc.model.ids import SANDBOX, SESSION
from oc.model.sandbox import Status
from oc.store.accounts import Caller
from oc.store.sandboxes import Sandbox, Sandboxes


class Gate:
    def __init__(self, sandboxes: Sandboxes) -> None:
        self._sandboxes = sandboxes

    async def any(self, connection: HTTPConnection, caller: Caller) -> Sandbox:
        """In whatever state. Raises NotFound, also for what belongs to others."""
        id = connection.path_params["id"]
        sandbox = await self._sandboxes.get(id) if SANDBOX.fullmatch(id) else None
        if sandbox is None or sandbox.org_id != caller.org_id:
            raise NotFound(f"sandbox not found: {id[:64]}", hint="list sandboxes with `oc ls`")
        return sandbox

    async def running(self, connection: HTTPConnection, caller: Caller) -> Sandbox:
        """Raises NotFound, Gone and Unavailable."""
        sandbox = await self.any(connection, caller)
        session = connection.path_params.get("session")
        if sandbox.status is not Status.RUNNING:
            raise refusal(sandbox)
        if session is not None and not SESSION.fullmatch(session):
            raise NotFound(f"exec session {session[:64]} not found")
        return sandbox


def refusal(sandbox: Sandbox) -> OpenComputerError:
    """Why nothing can be done in a sandbox that does not run."""
    if sandbox.status is Status.STOPPED:
        hint = "it was idle for longer than its timeout" if sandbox.reason == "expired" else None
        return Gone(f"sandbox {sandbox.id} has been stopped", hint=hint)
    if sandbox.status is Status.ERROR:
        return Gone(f"sandbox {sandbox.id} has failed: {sandbox.reason}", hint="create a new one")
    return Unavailable(f"sandbox {sandbox.id} is {sandbox.status}", hint="try again in a few seconds")
