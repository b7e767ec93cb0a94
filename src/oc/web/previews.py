"""Preview URLs of a sandbox: the tab, and what can be done there."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from oc.api.bodies import PreviewAnswer, PreviewToken
from oc.server.api import Api
from oc.store.web_sessions import Visitor
from oc.web.calls import ask, call
from oc.web.guard import Form, Guard
from oc.web.pages import Pages
from oc.web.sandbox import sandbox_page
from oc.web.typed import number

HERE = "/sandboxes/{id}/previews"


class Previews:
    def __init__(self, api: Api, guard: Guard, pages: Pages) -> None:
        self._api = api
        self._guard = guard
        self._pages = pages

    def routes(self) -> list[BaseRoute]:
        return [
            Route(HERE, self._guard.page(self.show), methods=["GET"]),
            Route(HERE, self._guard.action(self.add, "createPreview"), methods=["POST"]),
            Route(f"{HERE}/rotate", self._guard.action(self.rotate, "rotatePreviewToken"), methods=["POST"]),
            Route(f"{HERE}/{{port}}/delete", self._guard.action(self.delete, "deletePreview"), methods=["POST"]),
        ]

    async def show(self, request: Request, visitor: Visitor, token: str | None = None) -> Response:
        """`token`: the one that previews ask for from now on, to be seen this once."""
        row = await self._api.gate.any(request, visitor.caller)
        listed = await ask(list[PreviewAnswer], self._api, "listPreviews", request, visitor)
        context: dict[str, Any] = {"previews": listed, "token": token, "guarded": row.preview_hash is not None}
        return await sandbox_page(self._api, self._pages, request, visitor, "previews", **context)

    async def add(self, request: Request, visitor: Visitor, form: Form) -> Response:
        body = {"port": number(form.get("port", "")), "domain": form.get("domain", "").strip() or None}
        await call(self._api, "createPreview", request, visitor, body)
        return self._back(request)

    async def rotate(self, request: Request, visitor: Visitor, _: Form) -> Response:
        made = await ask(PreviewToken, self._api, "rotatePreviewToken", request, visitor)
        return await self.show(request, visitor, made.preview_auth_token)

    async def delete(self, request: Request, visitor: Visitor, _: Form) -> Response:
        await call(self._api, "deletePreview", request, visitor)
        return self._back(request)

    def _back(self, request: Request) -> Response:
        return RedirectResponse(HERE.format(id=request.path_params["id"]), 303)
