"""What happened to a sandbox: the tab."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from oc.server.api import Api
from oc.store.events import Events as Rows
from oc.store.sandboxes import Sandbox
from oc.store.web_sessions import Visitor
from oc.web.guard import Guard
from oc.web.live import Part
from oc.web.pages import Pages
from oc.web.sandbox import sandbox_page

MOST_SHOWN = 500


class Events:
    def __init__(self, rows: Rows, api: Api, guard: Guard, pages: Pages) -> None:
        self._rows = rows
        self._api = api
        self._guard = guard
        self._pages = pages

    def routes(self) -> list[BaseRoute]:
        return [Route("/sandboxes/{id}/events", self._guard.page(self.show))]

    async def show(self, request: Request, visitor: Visitor) -> Response:
        row = await self._api.gate.any(request, visitor.caller)
        return await sandbox_page(self._api, self._pages, request, visitor, "events", **await self._listed(row))

    async def parts(self, row: Sandbox, _: Visitor) -> Sequence[Part]:
        context = await self._listed(row)
        shown = [event.id for event in context["events"]]
        return [Part("events", shown, partial(self._pages.html, "fragments/events.html", **context))]

    async def _listed(self, row: Sandbox) -> dict[str, Any]:
        events = await self._rows.last_of(row.id, MOST_SHOWN + 1)
        return {"events": events[:MOST_SHOWN], "more": len(events) > MOST_SHOWN}
