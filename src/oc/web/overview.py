"""The first page of a sandbox: what it is, what it uses and what runs in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from oc.api.bodies import ExecSession
from oc.model.errors import OpenComputerError
from oc.model.sandbox import Status
from oc.server.api import Api
from oc.server.plane import Plane
from oc.store.sandboxes import Sandbox
from oc.store.web_sessions import Visitor
from oc.web.amounts import age
from oc.web.guard import Guard
from oc.web.live import Part
from oc.web.pages import Pages
from oc.web.sandbox import of_sandbox, sandbox_page
from oc.web.use import chart, uses

ASK_S = 2.0  # how long what runs in a sandbox is waited for
KEPT_S = 3.0
MOST_RUNNING = 12


class Running:
    """What runs in sandboxes, asked for now and then. To look wakes none, and is no use of it."""

    def __init__(self, plane: Plane) -> None:
        self._worker = plane.worker
        self._known: dict[str, tuple[float, Sequence[ExecSession] | None]] = {}

    async def of(self, row: Sandbox) -> Sequence[ExecSession] | None:
        """The newest first; None when nobody can tell."""
        if row.status is not Status.RUNNING:
            return ()
        self._known = {id: known for id, known in self._known.items() if known[0] > time.monotonic() - KEPT_S}
        if row.id not in self._known:
            self._known[row.id] = time.monotonic(), await self._ask(row.id)
        return self._known[row.id][1]

    async def _ask(self, id: str) -> Sequence[ExecSession] | None:
        try:
            async with asyncio.timeout(ASK_S):
                sessions = await self._worker.exec_sessions(id)
        except (OpenComputerError, TimeoutError):  # it may be starting, or its agent may be slow
            return None
        return [session for session in reversed(sessions) if session.running]


class Overview:
    def __init__(self, plane: Plane, api: Api, guard: Guard, pages: Pages) -> None:
        self._statistics = plane.statistics
        self._api = api
        self._guard = guard
        self._pages = pages
        self._running = Running(plane)

    def routes(self) -> list[BaseRoute]:
        return [Route("/sandboxes/{id}", self._guard.page(self.show))]

    async def show(self, request: Request, visitor: Visitor) -> Response:
        row = await self._api.gate.any(request, visitor.caller)
        context = self._use(row) | {"running": await self._running.of(row), "most_running": MOST_RUNNING}
        return await sandbox_page(self._api, self._pages, request, visitor, "overview", **context)

    async def parts(self, row: Sandbox, visitor: Visitor) -> Sequence[Part]:
        running = await self._running.of(row)
        shown = of_sandbox(self._pages, row)
        context = shown | {"visitor": visitor, "running": running, "most_running": MOST_RUNNING}
        look = self._statistics.now(row.id) if row.status is Status.RUNNING else None
        return [
            Part("problems", shown["sandbox"], partial(self._pages.html, "sandbox/problems.html", **context)),
            Part("facts", (shown["sandbox"], age(row.created_at)), partial(self._draw, "sandbox/facts.html", context)),
            Part("use", look, lambda: self._draw("sandbox/use.html", context | self._use(row))),
            Part(
                "running",
                running and [(one.session_id, age(one.started_at)) for one in running],
                partial(self._draw, "sandbox/running.html", context),
            ),
        ]

    def _draw(self, template: str, context: dict[str, Any]) -> str:
        return self._pages.html(template, **context)

    def _use(self, row: Sandbox) -> dict[str, Any]:
        samples, until = self._statistics.of(row.id), time.time()
        now = self._statistics.now(row.id) if row.status is Status.RUNNING else None
        shape = chart(samples, until)
        return {"uses": uses(samples, now, row.wish.size, shape, until), "chart": shape}
