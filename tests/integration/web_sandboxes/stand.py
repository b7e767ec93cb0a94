"""The dashboard over a stub of a worker, and a person who uses its pages: reads them, fills in their forms."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from oc.server.main import configuration, listener
from oc.server.plane import Plane, plane
from oc.settings import Settings
from oc.store.sandboxes import Sandbox
from oc.web.app import web
from tests.integration.server.control import PATIENCE_S, logging_from, settings_in, until, workshop
from tests.integration.server.stub import StubWorker, serving, worker_at
from tests.integration.web_accounts.site import Browser, Site, quick_passwords, stopped_limits
from tests.integration.web_sandboxes.forms import Page

HOSTILE = "\"'><script>alert(1)</script>"


@dataclass
class Desk:
    """`browser` is signed in as the first person."""

    site: Site
    plane: Plane
    worker: StubWorker
    browser: Browser

    async def page(self, path: str, status: int = 200) -> Page:
        return Page(await self.browser.page(path, status))

    async def send(self, path: str, end: str, status: int = 303, **typed: str) -> httpx.Response:
        """Fills in the form of that page whose address ends so, and sends it."""
        form = (await self.page(path)).form(end)
        return await self.browser.enter(form.action, status, **form.filled(**typed))

    async def create(self, **typed: str) -> str:
        answer = await self.send("/sandboxes/new", "/sandboxes/new", 303, **typed)
        return answer.headers["location"].rpartition("/")[2]

    async def row(self, id: str) -> Sandbox:
        row = await self.plane.store.sandboxes.get(id)
        assert row is not None
        return row

    async def checkpoint(self, id: str, name: str) -> str:
        """One that is ready."""
        await self.send(f"/sandboxes/{id}/checkpoints", "/checkpoints", name=name)

        async def ready() -> bool:
            return all(row.status == "ready" for row in await self.plane.store.checkpoints.of_sandbox(id))

        await until(ready)
        return next(row.id for row in await self.plane.store.checkpoints.of_sandbox(id) if row.name == name)

    async def stranger(self) -> str:
        """A sandbox of another organization, which has a checkpoint."""
        made = await self.plane.store.accounts.ensure_organization("others")
        _, key = await self.plane.store.accounts.create_key(made.id, "tests")
        async with self.site.api(key) as api:
            id = str((await api.post("/api/sandboxes", json={})).json()["sandboxID"])
            assert (await api.post(f"/api/sandboxes/{id}/checkpoints", json={"name": "c"})).status_code == 201
        return id


def work_at(test: Callable[[Desk], Awaitable[None]], **settings: Any) -> None:
    """Runs the test with everything up, and takes it all down again."""

    async def work() -> None:
        patience = asyncio.timeout(2 * PATIENCE_S)
        async with patience, workshop() as directory, desk(settings_in(directory, **settings)) as made:
            await test(made)

    with logging_from("error"), quick_passwords(), stopped_limits():
        asyncio.run(work())


@asynccontextmanager
async def desk(settings: Settings) -> AsyncIterator[Desk]:
    stub, listening = StubWorker(), listener("127.0.0.1:0")
    origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with AsyncExitStack() as closing:
        await closing.enter_async_context(worker_at(settings.worker_socket, stub))
        parts = await closing.enter_async_context(plane(settings))
        await closing.enter_async_context(serving(configuration(parts, web), listening))
        site = Site(parts, origin, closing)
        yield Desk(site, parts, stub, await site.admin())
