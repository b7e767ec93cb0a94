"""Exec sessions of a sandbox: what runs in it, and each one's output. Nothing here wakes a sandbox."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from oc.api.bodies import ExecSession
from oc.model.errors import NotFound
from oc.model.sandbox import Status
from oc.server.api import Api
from oc.server.plane import Plane
from oc.store.web_sessions import Visitor
from oc.web.guard import Guard
from oc.web.pages import STYLED, Pages
from oc.web.sandbox import sandbox_page

SIGNALS = ((15, "TERM", "Terminate"), (2, "INT", "Interrupt"), (9, "KILL", "Kill"))


class SessionPages:
    def __init__(self, plane: Plane, api: Api, guard: Guard, pages: Pages) -> None:
        self._worker = plane.worker
        self._api = api
        self._guard = guard
        self._pages = pages
        pages.filters["command"] = command

    def routes(self) -> list[BaseRoute]:
        here = "/sandboxes/{id}/sessions"
        return [
            Route(here, self._guard.page(self.all)),
            Route(f"{here}/{{session}}", self._guard.page(self.one)),
        ]

    async def all(self, request: Request, visitor: Visitor) -> Response:
        sessions = await self._sessions(request, visitor)
        shown = None if sessions is None else sessions[::-1]
        return await sandbox_page(self._api, self._pages, request, visitor, "sessions", sessions=shown, signals=SIGNALS)

    async def one(self, request: Request, visitor: Visitor) -> Response:
        sessions, wanted = await self._sessions(request, visitor), request.path_params["session"]
        session = next((one for one in sessions or () if one.session_id == wanted), None)
        if session is None and sessions is not None:
            raise NotFound(
                "this session is not there", hint="sessions are forgotten five minutes after they have ended"
            )
        return await sandbox_page(
            self._api, self._pages, request, visitor, "session", headers=STYLED, session=session, signals=SIGNALS
        )

    async def _sessions(self, request: Request, visitor: Visitor) -> Sequence[ExecSession] | None:
        """The oldest first; None when the sandbox does not run. To look at them is not to use it."""
        row = await self._api.gate.any(request, visitor.caller)
        return await self._worker.exec_sessions(row.id) if row.status is Status.RUNNING else None


def command(session: ExecSession) -> str:
    """As it would be typed; of the shell that the API puts before a command line, only that line."""
    if session.command == "/bin/sh" and session.args and session.args[0] == "-c":
        return " ".join(session.args[1:])
    return shlex.join((session.command, *(session.args or ())))
