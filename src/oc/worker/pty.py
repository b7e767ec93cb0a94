"""Terminals by REST (contract 2.8): a shell on a terminal of its own, which may be attached to, resized and ended."""

from __future__ import annotations

import asyncio
from errno import EACCES, ENOENT, ENOTDIR, ENOTTY, ESRCH
from signal import SIGHUP

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from oc.model.errors import BadRequest, NotFound, Unavailable
from oc.model.ids import SESSION, new_session
from oc.worker import json_body
from oc.worker.agent.attachment import Attachment
from oc.worker.agent.failure import AgentFailed
from oc.worker.agent.link import Link
from oc.worker.first_readers import FirstReaders
from oc.worker.links import Links
from oc.worker.pty_request import Terminal, parse, parse_size
from oc.worker.refusals import STARTING, Table, refusals
from oc.worker.time_format import rfc3339

HANGUP_S = 1.0  # for a shell to save its history and pass the hangup on to its jobs
NOWHERE = (1 << 63) - 1  # beyond all output
STARTING_SHELL: Table = {**STARTING, **dict.fromkeys((ENOENT, ENOTDIR, EACCES), BadRequest)}
TERMINALS: Table = {ESRCH: NotFound, ENOTTY: NotFound}


def session_of(connection: HTTPConnection) -> str:
    """Of the path. Raises NotFound for what cannot be one."""
    session: str = connection.path_params["session_id"]
    if not SESSION.fullmatch(session):
        raise unknown(session)
    return session


def unknown(session: str) -> NotFound:
    return NotFound(f"terminal {session[:64]} not found", hint="its shell has ended, or it was never here")


async def check(link: Link, session: str) -> bool:
    """Whether its shell runs. Raises NotFound, also for a session that has no terminal."""
    for known in await link.sessions():
        if known.session == session and known.terminal:
            return bool(known.running)
    raise unknown(session)


class Terminals:
    def __init__(self, links: Links, first_readers: FirstReaders) -> None:
        self._links = links
        self._first_readers = first_readers

    async def create(self, request: Request) -> Response:
        """`POST pty`."""
        terminal = parse(await json_body.read(request))
        sandbox = request.path_params["id"]
        link = await self._links.link(sandbox)
        session = new_session()
        with refusals(STARTING_SHELL):
            self._first_readers.hold(session, await self._launch(link, terminal, session))
        return json_body.answer({"sessionID": session, "sandboxID": sandbox}, 201)

    async def _launch(self, link: Link, terminal: Terminal, session: str) -> Attachment:
        *others, last = terminal.shells
        for shell in others:
            try:
                return await link.launch(terminal.start(session, shell))
            except AgentFailed as refusal:
                if refusal.errno != ENOENT:
                    raise
        return await link.launch(terminal.start(session, last))

    async def list(self, request: Request) -> Response:
        """`GET pty`, ours: what a user who was cut off can come back to, the oldest first."""
        link = await self._links.link(request.path_params["id"])
        sessions = sorted(await link.sessions(), key=lambda session: session.started_s)
        terminals = [
            {
                "sessionID": session.session,
                "sandboxID": request.path_params["id"],
                "shell": session.argv[0] if session.argv else "",
                "startedAt": rfc3339(session.started_s),
                "attachedClients": max(0, session.readers - self._first_readers.holds(session.session)),
            }
            for session in sessions
            if session.terminal and session.running
        ]
        return json_body.answer(terminals)

    async def resize(self, request: Request) -> Response:
        """`POST pty/{session}/resize`."""
        rows, cols = parse_size(await json_body.read(request))
        session = session_of(request)
        link = await self._links.link(request.path_params["id"])
        with refusals(TERMINALS):
            await link.resize(session, rows, cols)
        return Response(status_code=200)

    async def remove(self, request: Request) -> Response:
        """`DELETE pty/{session}`: hangs up, as a terminal that is closed does, and kills a shell that stays."""
        session = session_of(request)
        link = await self._links.link(request.path_params["id"])
        if await check(link, session):
            await self._hang_up(link, session)
        with refusals(TERMINALS):
            await link.forget(session)
        return Response(status_code=204)

    async def _hang_up(self, link: Link, session: str) -> None:
        self._first_readers.arrived(session)  # a place that is held for somebody may hold the shell up
        try:
            async with asyncio.timeout(HANGUP_S), link.attach(session, offset=NOWHERE) as leaving:
                await link.signal(session, SIGHUP)
                async for _ in leaving:
                    continue
        except (TimeoutError, AgentFailed, Unavailable):
            return  # what is left of it is killed

    async def no_upgrade(self, request: Request) -> Response:
        """`GET pty/{session}` by one who did not ask for a WebSocket."""
        raise BadRequest(f"terminal {session_of(request)} is attached to by a WebSocket upgrade of this request")
