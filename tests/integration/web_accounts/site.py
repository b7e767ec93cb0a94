"""A control plane with its dashboard on a port of its own, and browsers (their cookies and forms) that visit it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import httpx
from argon2 import PasswordHasher

from oc.api.timestamps import SECOND, now
from oc.server.main import configuration, listener
from oc.server.plane import Plane, plane
from oc.settings import Settings
from oc.store.database import Session
from oc.web import limits, passwords
from oc.web.app import web
from tests.integration.server.control import PATIENCE_S, logging_from, settings_in, workshop
from tests.integration.server.stub import StubWorker, serving, worker_at
from tests.web import EMAIL, PASSWORD, token_in


class Browser(httpx.AsyncClient):
    """Sends with forms what a browser sends: its cookies, the page's origin and the session's token."""

    def __init__(self, origin: str, **headers: str) -> None:
        super().__init__(base_url=origin, headers=headers, timeout=PATIENCE_S, trust_env=False)
        self.origin = origin

    async def page(self, path: str, status: int = 200) -> str:
        answer = await self.get(path)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.headers} {answer.text}"
        return answer.text

    async def token(self) -> str:
        return token_in(await self.page("/settings/account"))

    async def submit(self, path: str, status: int = 303, **form: str) -> httpx.Response:
        """A form of a page for those who are signed in."""
        return await self.enter(path, status, csrf=await self.token(), **form)

    async def enter(self, path: str, status: int = 303, **form: str) -> httpx.Response:
        """A form of a page for those who are not."""
        answer = await self.post(path, data=form, headers={"Origin": self.origin})
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.headers} {answer.text}"
        return answer

    @property
    def session(self) -> str | None:
        return self.cookies.get("oc_session")

    async def is_signed_in(self) -> bool:
        return (await self.get("/settings/account")).status_code == 200


@dataclass
class Site:
    plane: Plane
    origin: str
    closing: AsyncExitStack = field(repr=False)

    async def visit(self, **headers: str) -> Browser:
        """A browser that nobody is signed in with."""
        return await self.closing.enter_async_context(Browser(self.origin, **headers))

    async def admin(self) -> Browser:
        """The first person, who signs up."""
        browser = await self.visit()
        await browser.enter("/sign-up", name="Ada Admin", email=EMAIL, password=PASSWORD)
        return browser

    async def member(self, admin: Browser, email: str = "bob@example.com", role: str = "member") -> Browser:
        """Somebody whom the admin invites."""
        browser = await self.visit()
        await browser.enter(await invite(admin, email, role), name="", password=PASSWORD)
        return browser

    async def join(self, organization: str, email: str, role: str) -> str:
        """Without an invitation; returns the organization's id."""
        made = await self.plane.store.accounts.ensure_organization(organization)
        person = await self.plane.store.people.by_email(email)
        assert person
        row = {"org_id": made.id, "user_id": person.id, "role": role, "at": now()}
        await self._change(lambda session: session.change("add_membership", **row))
        return made.id

    async def pass_time(self, table: str, seconds: int) -> None:
        """Makes all rows of a table expire that much earlier."""
        await self.execute(f"UPDATE {table} SET expires_at = expires_at - {seconds * SECOND}")

    async def execute(self, sql: str) -> None:
        await self._change(lambda session: session._connection.execute(sql))

    async def _change(self, work: Callable[[Session], Any]) -> None:
        await self.plane.store._database.run(work)

    def api(self, key: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.origin, headers={"X-API-Key": key}, timeout=PATIENCE_S, trust_env=False)

    async def whoami(self, key: str) -> httpx.Response:
        async with self.api(key) as api:
            return await api.get("/api/whoami")


async def invite(admin: Browser, email: str, role: str = "member") -> str:
    """Returns the path of the invitation."""
    answer = await admin.submit("/settings/members/invite", 200, email=email, role=role)
    found = re.search(r"/invitations/[\w-]+", answer.text)
    assert found, answer.text
    return found[0]


def visit(test: Callable[[Site], Awaitable[None]], **settings: Any) -> None:
    """Runs the test with everything up, and takes it all down again."""

    async def work() -> None:
        patience = asyncio.timeout(2 * PATIENCE_S)
        async with patience, workshop() as directory, site(settings_in(directory, **settings)) as made:
            await test(made)

    with logging_from("warning"), quick_passwords(), stopped_limits():
        asyncio.run(work())


@contextmanager
def quick_passwords() -> Iterator[None]:
    """Few are guessed here, and many are typed."""
    quick = partial(PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
    with patch.object(passwords, "PasswordHasher", quick):
        yield


@contextmanager
def stopped_limits() -> Iterator[None]:
    """However slow the machine is, no attempt is given back in the course of a test."""
    with patch.object(limits, "time", SimpleNamespace(monotonic=lambda: 1.0)):
        yield


@asynccontextmanager
async def site(settings: Settings) -> AsyncIterator[Site]:
    stub, listening = StubWorker(), listener("127.0.0.1:0")
    origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with AsyncExitStack() as closing:
        await closing.enter_async_context(worker_at(settings.worker_socket, stub))
        parts = await closing.enter_async_context(plane(settings))
        await closing.enter_async_context(serving(configuration(parts, web), listening))
        yield Site(parts, origin, closing)
