"""The checkpoints of a sandbox: the tab, the page of one, and what can be done with them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from oc.api.bodies import CheckpointAnswer, PatchAnswer, SandboxAnswer
from oc.model.errors import NotFound
from oc.server import answers
from oc.server.api import Api
from oc.server.forks import MOST_AT_ONCE
from oc.store.lineage import Family
from oc.store.sandboxes import Sandbox
from oc.store.store import Store
from oc.store.web_sessions import Visitor
from oc.web.amounts import age
from oc.web.calls import ask, call
from oc.web.guard import Act, Form, Guard
from oc.web.lineage import nodes
from oc.web.live import Part
from oc.web.pages import Pages
from oc.web.sandbox import of_sandbox, sandbox_page
from oc.web.secret_stores import store_names
from oc.web.typed import number

MOST_RELATED = 200
ALL = "/sandboxes/{id}/checkpoints"
ONE = ALL + "/{checkpoint}"
PATCHES = ONE + "/patches"


class Checkpoints:
    def __init__(self, store: Store, api: Api, guard: Guard, pages: Pages) -> None:
        self._store = store
        self._api = api
        self._guard = guard
        self._pages = pages

    def routes(self) -> list[BaseRoute]:
        acts: dict[str, tuple[Act, str]] = {
            f"{ONE}/restore": (self.restore, "restoreCheckpoint"),
            f"{ONE}/fork": (self.fork, "forkCheckpoint"),
            f"{ONE}/delete": (self.delete, "deleteCheckpoint"),
            f"{ONE}/publish": (partial(self.publish, "publishCheckpoint"), "publishCheckpoint"),
            f"{ONE}/unpublish": (partial(self.publish, "unpublishCheckpoint"), "unpublishCheckpoint"),
            PATCHES: (self.add_patch, "createPatch"),
            f"{PATCHES}/{{patch}}/delete": (self.delete_patch, "deletePatch"),
        }
        return [
            Route(ALL, self._guard.page(self.list), methods=["GET"]),
            Route(ALL, self._guard.action(self.create, "createCheckpoint"), methods=["POST"]),
            Route(ONE, self._guard.page(self.show)),
            *(Route(path, self._guard.action(act, name), methods=["POST"]) for path, (act, name) in acts.items()),
        ]

    # --- pages ---

    async def list(self, request: Request, visitor: Visitor) -> Response:
        row = await self._api.gate.any(request, visitor.caller)
        return await sandbox_page(self._api, self._pages, request, visitor, "checkpoints", **await self._listed(row))

    async def show(self, request: Request, visitor: Visitor) -> Response:
        checkpoint = await self._one(request, visitor)
        patches = await ask(list[PatchAnswer], self._api, "listPatches", request, visitor)
        context: dict[str, Any] = {"checkpoint": checkpoint, "patches": patches, "most_forks": MOST_AT_ONCE}
        context["stores"] = await store_names(self._api, request, visitor)
        return await sandbox_page(self._api, self._pages, request, visitor, "checkpoint", **context)

    async def parts(self, row: Sandbox, visitor: Visitor) -> Sequence[Part]:
        context = await self._listed(row) | of_sandbox(self._pages, row) | {"visitor": visitor}
        piece = self._pages.pieces("fragments/checkpoint_row.html")
        listed: list[CheckpointAnswer] = context["checkpoints"]
        inside = [
            Part(f"{one.id}.{cell}", (one, row.status, age(one.created_at)), partial(draw, one, row, visitor))
            for one in listed
            for cell, draw in {"state": piece.state, "actions": piece.actions}.items()
        ]
        table = partial(self._pages.html, "fragments/checkpoints.html", **context)
        family: Family = context["family"]
        related = [(one.row.id, one.row.status) for one in context["nodes"]], family.cut
        return [
            Part("checkpoints", [one.id for one in listed], table, inside),
            Part("lineage", related, partial(self._pages.html, "fragments/lineage.html", **context)),
        ]

    async def _listed(self, row: Sandbox) -> dict[str, Any]:
        family = await self._store.lineage.around(row, MOST_RELATED)
        listed = [answers.checkpoint(one) for one in await self._store.checkpoints.of_sandbox(row.id)]
        return {"checkpoints": listed, "family": family, "nodes": nodes(family, row.id)}

    async def _one(self, request: Request, visitor: Visitor) -> CheckpointAnswer:
        """Raises NotFound, also for one of another sandbox."""
        listed = await ask(list[CheckpointAnswer], self._api, "listCheckpoints", request, visitor)
        found = [one for one in listed if one.id == request.path_params["checkpoint"]]
        if not found:
            raise NotFound("checkpoint not found", hint="it may have been deleted")
        return found[0]

    # --- what is done ---

    async def create(self, request: Request, visitor: Visitor, form: Form) -> Response:
        body = {"name": form.get("name", "").strip(), "kind": form.get("kind") or "full"}
        await call(self._api, "createCheckpoint", request, visitor, body)
        return self._to_list(request)

    async def restore(self, request: Request, visitor: Visitor, _: Form) -> Response:
        await call(self._api, "restoreCheckpoint", request, visitor)
        return self._to_list(request)

    async def fork(self, request: Request, visitor: Visitor, form: Form) -> Response:
        """One is shown; of several there is a list."""
        checkpoint = await self._one(request, visitor)
        body = {"count": number(form.get("count", "1")), "timeout": number(form.get("timeout", ""))}
        body["secretStore"] = form.get("store") or None
        forks = await ask(list[SandboxAnswer], self._api, "forkCheckpoint", request, visitor, body)
        if len(forks) == 1:
            return RedirectResponse(f"/sandboxes/{forks[0].sandbox_id}", 303)
        context: dict[str, Any] = {"checkpoint": checkpoint, "forks": forks}
        return await sandbox_page(self._api, self._pages, request, visitor, "forked", status=201, **context)

    async def delete(self, request: Request, visitor: Visitor, _: Form) -> Response:
        await call(self._api, "deleteCheckpoint", request, visitor)
        return self._to_list(request)

    async def publish(self, name: str, request: Request, visitor: Visitor, _: Form) -> Response:
        await self._one(request, visitor)
        await call(self._api, name, request, visitor)
        return self._to_one(request)

    async def add_patch(self, request: Request, visitor: Visitor, form: Form) -> Response:
        """Browsers send lines that end as in mail (HTML, 4.10.21.8), which bash would take for part of its words."""
        await self._one(request, visitor)
        body = {"script": form.get("script", "").replace("\r\n", "\n"), "description": form.get("description", "")}
        await call(self._api, "createPatch", request, visitor, body)
        return self._to_one(request)

    async def delete_patch(self, request: Request, visitor: Visitor, _: Form) -> Response:
        await self._one(request, visitor)
        await call(self._api, "deletePatch", request, visitor)
        return self._to_one(request)

    def _to_list(self, request: Request) -> Response:
        return RedirectResponse(ALL.format(**request.path_params), 303)

    def _to_one(self, request: Request) -> Response:
        return RedirectResponse(ONE.format(**request.path_params), 303)
