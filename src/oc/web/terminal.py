"""A shell of a sandbox in a browser. The page is this; the rest is the API's, asked by its script."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from oc.server import answers
from oc.server.api import Api
from oc.server.plane import Plane
from oc.store.web_sessions import Visitor
from oc.web.guard import Guard
from oc.web.pages import STYLED, Pages
from oc.web.sandbox import sandbox_page


class TerminalPage:
    def __init__(self, plane: Plane, api: Api, guard: Guard, pages: Pages) -> None:
        self._changes = plane.changes
        self._api = api
        self._guard = guard
        self._pages = pages

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/sandboxes/{id}/terminal", self._guard.page(self.show)),
            Route("/app/api/sandboxes/{id}/state", self.state),
        ]

    async def show(self, request: Request, visitor: Visitor) -> Response:
        return await sandbox_page(self._api, self._pages, request, visitor, "terminal", headers=STYLED)

    async def state(self, request: Request) -> Response:
        """What a script that was cut off looks at before it attaches again, because that would wake the sandbox.

        While something is done to it, to attach waits for that: for its falling asleep too, to wake it again.
        """
        row = await self._api.gate.any(request, await self._guard.admit(request))
        settled = row.restoring is None and not self._changes.under_way(row.id)
        return answers.json({"status": row.status, "settled": settled, "reason": row.reason})
