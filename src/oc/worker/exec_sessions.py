"""Exec sessions by REST (contract 2.3): create, list, kill."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from oc.model.errors import BadRequest, NotFound
from oc.model.ids import SESSION, new_session
from oc.wire.messages import Session, Start
from oc.worker import json_body
from oc.worker.agent.link import Link
from oc.worker.exec_output import exit_code
from oc.worker.exec_request import decode, parse
from oc.worker.first_readers import FirstReaders
from oc.worker.links import Links
from oc.worker.refusals import SESSIONS, STARTING, refusals
from oc.worker.time_format import now, rfc3339

SIGKILL = 9


class Kill(msgspec.Struct, frozen=True):
    signal: Annotated[int, Meta(ge=1, le=64)] | None = None


def session_id(request: Request) -> str:
    """Of the path. Raises NotFound for what cannot be one."""
    session: str = request.path_params["session_id"]
    if not SESSION.fullmatch(session):
        raise unknown(session)
    return session


def unknown(session: str) -> NotFound:
    return NotFound(f"exec session {session[:64]} not found")


class Sessions:
    def __init__(self, links: Links, first_readers: FirstReaders) -> None:
        self._links = links
        self._first_readers = first_readers

    async def create(self, request: Request) -> Response:
        """`POST exec`."""
        command = parse(await json_body.read(request))
        sandbox = request.path_params["id"]
        link = await self._links.link(sandbox)
        timeout_s, linger_s = max(0, command.timeout or 0), max(0, command.linger or 0)
        start = command.start(new_session(), stdin=True, timeout_s=timeout_s, linger_s=linger_s)
        with refusals(STARTING):
            await self._start(link, start)
        body = {
            "sessionID": start.session,
            "sandboxID": sandbox,
            "command": command.cmd,
            "args": command.args,
            "running": True,
            "startedAt": now(),
            "attachedClients": 0,
        }
        return json_body.answer(body, 201)

    async def _start(self, link: Link, start: Start) -> None:
        if start.linger_ms:  # its clock would start when the held place is given up
            await link.start(start)
        else:
            self._first_readers.hold(start.session, await link.launch(start))

    async def list(self, request: Request) -> Response:
        """`GET exec`, the oldest first. Terminals are listed by `GET pty`."""
        sandbox = request.path_params["id"]
        link = await self._links.link(sandbox)
        sessions = sorted(await link.sessions(), key=lambda session: session.started_s)
        return json_body.answer([self._listed(session, sandbox) for session in sessions if not session.terminal])

    def _listed(self, session: Session, sandbox: str) -> dict[str, Any]:
        command, *args = session.argv or ("",)
        listed: dict[str, Any] = {
            "sessionID": session.session,
            "sandboxID": sandbox,
            "command": command,
            "args": args or None,
            "running": bool(session.running),
            "startedAt": rfc3339(session.started_s),
            "attachedClients": max(0, session.readers - self._first_readers.holds(session.session)),
        }
        if not session.running:
            listed["exitCode"] = exit_code(session.code, session.ending)
        return listed

    async def kill(self, request: Request) -> Response:
        """`POST exec/{session}/kill`. With a JSON body 200 `{}`, without one 204 (contract 2.3.3, traps)."""
        body = await json_body.read(request)
        signal = decode(body, Kill).signal or SIGKILL
        session = session_id(request)
        link = await self._links.link(request.path_params["id"])
        with refusals(SESSIONS):
            await link.signal(session, signal)
        return json_body.answer({}) if body else Response(status_code=204)

    async def no_upgrade(self, request: Request) -> Response:
        """`GET exec/{session}` by one who did not ask for a WebSocket."""
        raise BadRequest(f"exec session {session_id(request)} is attached to by a WebSocket upgrade of this request")
