"""Which sandbox a request is about, and whether anything can be done in it (contract 1.3, 4.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import HTTPConnection

from oc.model.errors import BadRequest, Gone, NotFound, OpenComputerError, Unavailable
from oc.model.ids import SANDBOX, SESSION
from oc.model.sandbox import Status
from oc.server.changes import Changes
from oc.server.restores import Restores
from oc.server.sleep import Sleep, wake_failed
from oc.store.accounts import Caller
from oc.store.sandboxes import Sandbox, Sandboxes

WAKE_S = 60.0  # how long a caller waits (contract 2.1.7); the wake itself goes on


class Gate:
    def __init__(self, sandboxes: Sandboxes, changes: Changes, sleep: Sleep, restores: Restores) -> None:
        self._sandboxes = sandboxes
        self._changes = changes
        self._sleep = sleep
        self._restores = restores

    async def any(self, connection: HTTPConnection, caller: Caller) -> Sandbox:
        """In whatever state. Raises NotFound, also for what belongs to others."""
        id = connection.path_params["id"]
        sandbox = await self._sandboxes.get(id) if SANDBOX.fullmatch(id) else None
        if sandbox is None or sandbox.org_id != caller.org_id:
            raise NotFound(f"sandbox not found: {id[:64]}", hint="list sandboxes with `oc ls`")
        return sandbox

    async def running(
        self, connection: HTTPConnection, caller: Caller, refuse: Callable[[Sandbox], OpenComputerError] | None = None
    ) -> Sandbox:
        """As `awake`. Raises NotFound, and what `refuse` (or `refusal`) says of one that does not run."""
        session = connection.path_params.get("session")

        async def look() -> Sandbox:
            sandbox = await self.any(connection, caller)
            if session is not None and sandbox.status is Status.RUNNING and not SESSION.fullmatch(session):
                raise NotFound(f"exec session {session[:64]} not found")
            return sandbox

        return await self.awake(look, refuse or refusal)

    async def awake(
        self, look: Callable[[], Awaitable[Sandbox]], refuse: Callable[[Sandbox], OpenComputerError]
    ) -> Sandbox:
        """Wakes the sandbox that `look` gives if need be, and waits for what is being done to it.

        Raises what `look` raises, what `refuse` says of one that does not run, and what `Sleep.wake` raises.
        """
        while (sandbox := await look()).status is Status.RUNNING:
            if sandbox.restoring is not None:
                await self._restores.finish(sandbox)
            elif self._changes.under_way(sandbox.id):
                await self._changes.settled(sandbox.id)
            else:
                # Nothing is awaited from here to where the caller notes its use, so that it cannot go to sleep between.
                return sandbox
        if sandbox.status is Status.HIBERNATED:
            sandbox = await self.woken(sandbox.id)
        if sandbox.status is not Status.RUNNING:
            raise refuse(sandbox)
        return sandbox

    async def woken(self, id: str) -> Sandbox:
        """As `Sleep.wake`, but not for longer than a client waits."""
        try:
            async with asyncio.timeout(WAKE_S):
                return await self._sleep.wake(id)
        except TimeoutError:
            raise wake_failed(id, f"it has taken longer than {WAKE_S:.0f} seconds") from None


def refusal(sandbox: Sandbox) -> OpenComputerError:
    """Why nothing can be done in a sandbox that does not run."""
    if sandbox.status is Status.STOPPED:
        hint = "it was idle for longer than its timeout" if sandbox.reason == "expired" else None
        return Gone(f"sandbox {sandbox.id} has been stopped", hint=hint)
    if sandbox.status is Status.ERROR:
        return Gone(f"sandbox {sandbox.id} has failed: {sandbox.reason}", hint="create a new one")
    return Unavailable(f"sandbox {sandbox.id} is {sandbox.status}", hint="try again in a few seconds")


def not_running(sandbox: Sandbox) -> BadRequest:
    """The same where the contract has 400 for it (2.1.6, 2.1.9, 2.6)."""
    why = f": {sandbox.reason}" if sandbox.reason else ""
    return BadRequest(f"sandbox is not running ({sandbox.id} is {sandbox.status}{why})")
