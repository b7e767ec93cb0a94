"""The stream that keeps a sandbox's page up to date, whichever tab is open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from oc.server.api import Api
from oc.store.sandboxes import Sandbox
from oc.store.web_sessions import Visitor
from oc.web.live import Live, Part
from oc.web.pages import Pages
from oc.web.sandbox import head

Parts = Callable[[Sandbox, Visitor], Awaitable[Sequence[Part]]]


class SandboxLive:
    def __init__(self, api: Api, pages: Pages, live: Live, tabs: Mapping[str, Parts]) -> None:
        """`tabs`: what changes below the head, by name of the tab."""
        self._api = api
        self._pages = pages
        self._live = live
        self._tabs = tabs

    def routes(self) -> list[BaseRoute]:
        return [Route("/sandboxes/{id}/live", self._live.stream(self.look))]

    async def look(self, request: Request, visitor: Visitor) -> Sequence[Part]:
        row = await self._api.gate.any(request, visitor.caller)
        tab = self._tabs.get(request.query_params.get("tab", ""))
        below = await tab(row, visitor) if tab else ()
        return [*head(self._pages, row, visitor), *below]
