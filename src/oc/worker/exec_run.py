"""Buffered exec (contract 2.2): run a command, answer with all that it wrote.

The process lives in a session of the agent, so a handle of `run-async` is good after a restart of this worker too.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from oc.model.errors import NotFound
from oc.model.ids import SESSION, new_session
from oc.wire.messages import RING, Ending, Exited
from oc.worker import json_body
from oc.worker.agent.attachment import Attachment
from oc.worker.agent.link import Link
from oc.worker.exec_output import Allowance, Transcript, result
from oc.worker.exec_request import Command, parse
from oc.worker.heartbeat import Heartbeat
from oc.worker.links import Links
from oc.worker.refusals import SESSIONS, STARTING, refusals
from oc.worker.time_format import now

DEFAULT_TIMEOUT_S = 60
ORPHAN_S = 1  # a command whose worker died is killed after this: nobody can be answered any more
INLINE_HOLD_S = 0.4  # contract 2.2.2
RESULT_HOLD_S = 0.5  # contract 2.2.3
LAST_WORDS = {
    Ending.TIMEOUT: "\nProcess timed out",  # contract 2.2.1
    Ending.MEMORY: "\nProcess killed: the sandbox ran out of memory or processes",
}


class BufferedExec:
    def __init__(self, links: Links) -> None:
        self._links = links
        self._allowance = Allowance()

    async def run(self, request: Request) -> Heartbeat:
        """`POST exec/run`. The process dies with its client."""
        command = parse(await json_body.read(request))
        link = await self._links.link(request.path_params["id"])
        return Heartbeat(self._run(link, command))

    async def _run(self, link: Link, command: Command) -> dict[str, Any]:
        timeout_s = command.timeout if command.timeout and command.timeout > 0 else DEFAULT_TIMEOUT_S
        start = command.start(new_session(), stdin=False, timeout_s=timeout_s, linger_s=ORPHAN_S)
        transcript = Transcript(self._allowance)
        try:
            with refusals(STARTING):
                attachment = await link.launch(start)
                async with attachment:
                    exited = await _collect(attachment, transcript)
            body = result(transcript, exited)
        finally:
            transcript.release()
            link.forget_soon(start.session)
        body["stderr"] += LAST_WORDS.get(Ending(exited.ending), "")
        return body

    async def run_async(self, request: Request) -> Response:
        """`POST exec/run-async`. Answers with the result when it is there at once, else with a handle."""
        command = parse(await json_body.read(request))
        link = await self._links.link(request.path_params["id"])
        session = new_session()
        start = command.start(session, stdin=True, timeout_s=max(0, command.timeout or 0), linger_s=0)
        started_at = now()
        transcript = Transcript(self._allowance, RING)
        try:
            with refusals(STARTING):
                attachment = await link.launch(start)
                async with attachment:
                    exited = await _collect_for(INLINE_HOLD_S, attachment, transcript)
            if exited is None or transcript.truncated:
                return json_body.answer({"execId": session, "running": True, "startedAt": started_at}, 202)
            link.forget_soon(session)
            return json_body.answer(result(transcript, exited))
        finally:
            transcript.release()

    async def result(self, request: Request) -> Response:
        """`GET exec/{execId}/result`. What the ring holds, after waiting a little for the end."""
        session = request.path_params["exec_id"]
        if not SESSION.fullmatch(session):
            raise NotFound(f"exec {session[:64]} not found")
        link = await self._links.link(request.path_params["id"])
        transcript = Transcript(self._allowance, RING)
        try:
            with refusals(SESSIONS):
                async with link.attach(session) as attachment:
                    transcript.truncated = attachment.attached.offset > 0
                    exited = await _collect_for(RESULT_HOLD_S, attachment, transcript)
            if exited is None:
                return json_body.answer({"running": True, **transcript.body()})
            return json_body.answer({"running": False, **result(transcript, exited)})
        finally:
            transcript.release()


async def _collect(attachment: Attachment, transcript: Transcript) -> Exited:
    async for item in attachment:
        if isinstance(item, Exited):
            return item
        transcript.add(item)
    raise AssertionError("an attachment ends with Exited or raises")


async def _collect_for(hold_s: float, attachment: Attachment, transcript: Transcript) -> Exited | None:
    """None when the process still runs after `hold_s`."""
    try:
        async with asyncio.timeout(hold_s):
            return await _collect(attachment, transcript)
    except TimeoutError:
        return None
