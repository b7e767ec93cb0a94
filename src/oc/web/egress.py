"""What a sandbox may reach, and what it was refused: the tab."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from oc.model.errors import BadRequest, OpenComputerError, TooLarge
from oc.server.api import Api
from oc.server.egress_calls import answer
from oc.server.hosts import Violation
from oc.server.plane import Plane
from oc.store.sandboxes import Sandbox
from oc.store.web_sessions import Visitor
from oc.web.calls import call
from oc.web.guard import Form, Guard
from oc.web.live import Part
from oc.web.pages import Pages
from oc.web.sandbox import sandbox_page
from oc.web.typed import rules
from oc.web.visible import of_name

HERE = "/sandboxes/{id}/egress"
ASK_S = 2.0
MOST_SHOWN = 200


class EgressTab:
    def __init__(self, plane: Plane, api: Api, guard: Guard, pages: Pages) -> None:
        self._governing = plane.governing
        self._worker = plane.worker
        self._api = api
        self._guard = guard
        self._pages = pages
        pages.filters["visible"] = of_name

    def routes(self) -> list[BaseRoute]:
        return [
            Route(HERE, self._guard.page(self.show), methods=["GET"]),
            Route(HERE, self._guard.action(self.set, "setEgress"), methods=["POST"]),
            Route(f"{HERE}/clear", self._guard.action(self.clear, "clearEgress"), methods=["POST"]),
        ]

    async def show(self, request: Request, visitor: Visitor) -> Response:
        return await self._page(request, visitor)

    async def parts(self, row: Sandbox, _: Visitor) -> Sequence[Part]:
        reach, refusals = await self._reach(row), await self._refusals(row)
        return [
            Part("reach", (reach["egress"], reach["stores"]), partial(self._draw, "fragments/reach.html", reach)),
            Part("refusals", refusals["refusals"], partial(self._draw, "fragments/refusals.html", refusals)),
        ]

    async def set(self, request: Request, visitor: Visitor, form: Form) -> Response:
        try:
            await call(self._api, "setEgress", request, visitor, _said(form))
        except (BadRequest, TooLarge) as error:
            return await self._page(request, visitor, form, error)
        return _back(request)

    async def clear(self, request: Request, visitor: Visitor, _: Form) -> Response:
        await call(self._api, "clearEgress", request, visitor)
        return _back(request)

    async def _page(
        self,
        request: Request,
        visitor: Visitor,
        form: Form | None = None,
        error: BadRequest | TooLarge | None = None,
    ) -> Response:
        row = await self._api.gate.any(request, visitor.caller)
        context = {**await self._reach(row), **await self._refusals(row)}
        context |= {"form": _typed(row) if form is None else form, "error": error}
        status = error.status if error else 200
        return await sandbox_page(self._api, self._pages, request, visitor, "egress", status=status, **context)

    def _draw(self, template: str, context: dict[str, Any]) -> str:
        return self._pages.html(template, **context)

    async def _reach(self, row: Sandbox) -> dict[str, Any]:
        stores = await self._governing.stores(row.wish.egress)
        named = [(store.id, store.name) for store in stores]
        return {
            "egress": await answer(self._governing, row),
            "stores": named,
            "ruled": row.wish.egress.rules is not None,
        }

    async def _refusals(self, row: Sandbox) -> dict[str, Any]:
        """Newest first; None when nobody can tell. To look wakes nothing."""
        return {"refusals": await self._refused(row.id) if row.wish.egress.governed else ()}

    async def _refused(self, id: str) -> Sequence[Violation] | None:
        try:
            async with asyncio.timeout(ASK_S):
                return (await self._worker.violations(id))[:MOST_SHOWN]
        except (OpenComputerError, TimeoutError):  # it is not on the host now, or the worker is away
            return None


def _said(form: Form) -> dict[str, Any]:
    """Raises BadRequest: rules that are empty by mistake would cut it off."""
    said = rules(form)
    if said is None:
        raise BadRequest("name a host or a network, or let it reach nothing")
    return said


def _typed(row: Sandbox) -> Form:
    """The rules that there are, as they would be typed."""
    said = row.wish.egress.rules
    if said is None:
        return {}
    return {
        "allow": "\n".join((*(said.allow_hosts or ()), *said.allow_cidrs)),
        "deny_all": "1" if said.deny_all else "",
    }


def _back(request: Request) -> Response:
    return RedirectResponse(HERE.format(id=request.path_params["id"]), 303)
