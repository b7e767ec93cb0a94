"""The form for a new sandbox."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from oc.api.bodies import SandboxAnswer
from oc.model.errors import OpenComputerError
from oc.server.api import Api
from oc.server.hosts import Host, Worker
from oc.server.wishes import LEAST_MEMORY_MB, STEP
from oc.store.web_sessions import Visitor
from oc.web.calls import ask
from oc.web.guard import Form, Guard
from oc.web.pages import Pages
from oc.web.secret_stores import store_names
from oc.web.typed import number, rules, texts

HERE = "/sandboxes/new"
FIELDS = {  # of the call -> of the form
    "timeout": "timeout",
    "cpuCount": "cpu",
    "memoryMB": "memory",
    "diskMB": "disk",
    "envs": "env",
    "metadata": "metadata",
    "egress": "deny_all",
    "egress.allowHosts": "allow",
    "egress.allowCidrs": "allow",
    "secret store not found": "store",
}


class Create:
    def __init__(self, worker: Worker, api: Api, guard: Guard, pages: Pages) -> None:
        self._worker = worker
        self._api = api
        self._guard = guard
        self._pages = pages

    def routes(self) -> list[BaseRoute]:
        return [
            Route(HERE, self._guard.page(self.show), methods=["GET"]),
            Route(HERE, self._guard.action(self.create, "createSandbox"), methods=["POST"]),
        ]

    async def show(self, request: Request, visitor: Visitor) -> Response:
        return await self._form(request, visitor, {}, None)

    async def create(self, request: Request, visitor: Visitor, form: Form) -> Response:
        """A token for its previews is seen here, and never again."""
        try:
            made = await ask(SandboxAnswer, self._api, "createSandbox", request, visitor, _body(form))
        except OpenComputerError as error:
            return await self._form(request, visitor, form, error)
        if made.preview_auth_token is None:
            return RedirectResponse(f"/sandboxes/{made.sandbox_id}", 303)
        return self._pages.show(request, "created.html", visitor, status=201, made=made)

    async def _form(self, request: Request, visitor: Visitor, form: Form, error: OpenComputerError | None) -> Response:
        return self._pages.show(
            request,
            "create.html",
            visitor,
            status=error.status if error else 200,
            form=form,
            error=error,
            wrong=_wrong(error),
            host=await self._host(),
            stores=await store_names(self._api, request, visitor),
            least_memory=LEAST_MEMORY_MB,
            step=STEP,
        )

    async def _host(self) -> Host | None:
        """None while the worker is away: what fits is said when the form is sent."""
        try:
            return await self._worker.host()
        except OpenComputerError:
            return None


def _body(form: Form) -> dict[str, Any]:
    """Raises BadRequest. What is empty is left to the defaults."""
    asked = {
        "timeout": number(form.get("timeout", "")),
        "cpuCount": number(form.get("cpu", "")),
        "memoryMB": number(form.get("memory", "")),
        "diskMB": number(form.get("disk", "")),
        "envs": texts("envs", form.get("env", "")),
        "metadata": texts("metadata", form.get("metadata", "")),
        "secretStore": form.get("store") or None,
        "egress": rules(form),
        "previewAuth": {"scheme": "bearer", "token": "auto"} if form.get("preview_auth") else None,
    }
    return {name: value for name, value in asked.items() if value is not None}


def _wrong(error: OpenComputerError | None) -> str | None:
    """The field of the form that the error is about: its text begins with the call's name for it."""
    text = error.text.removeprefix("each value of ") if error else ""
    return next((field for name, field in FIELDS.items() if text.startswith((f"{name} ", f"{name}:"))), None)
