"""A whole control plane in this process: its real server on a port of its own, and a stub for its worker."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import structlog

from oc.server.log import LEVELS
from oc.server.main import configuration, listener
from oc.server.plane import Plane, plane
from oc.settings import Settings
from tests.integration.server.stub import StubWorker, serving, worker_at

PATIENCE_S = 60


@dataclass
class Control:
    plane: Plane
    worker: StubWorker
    origin: str
    key: str
    api: httpx.AsyncClient  # with the key

    async def create(self, **body: Any) -> str:
        answer = await self.api.post("/sandboxes", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["sandboxID"])

    async def call(self, method: str, path: str, status: int = 200, **body: Any) -> Any:
        """The answer's JSON; None when it has no body."""
        answer = await self.api.request(method, f"/sandboxes{path}", json=body or None)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def checkpoint(self, id: str, **body: Any) -> str:
        """One that is ready."""
        made = (await self.call("POST", f"/{id}/checkpoints", 201, **{"name": "c", **body}))["id"]

        async def ready() -> bool:
            listed = {row["id"]: row["status"] for row in await self.call("GET", f"/{id}/checkpoints")}
            return bool(listed[made] == "ready")

        await until(ready)
        return str(made)

    async def status(self, id: str) -> str:
        return str((await self.api.get(f"/sandboxes/{id}")).json()["status"])

    async def new_key(self, organization: str) -> str:
        made = await self.plane.store.accounts.ensure_organization(organization)
        return (await self.plane.store.accounts.create_key(made.id, "tests"))[1]

    def client(self, key: str | None) -> httpx.AsyncClient:
        return client(self.origin, key)


def client(origin: str, key: str | None) -> httpx.AsyncClient:
    headers = {} if key is None else {"X-API-Key": key}
    return httpx.AsyncClient(base_url=f"{origin}/api", headers=headers, timeout=PATIENCE_S, trust_env=False)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Asks until it is true; the deadline only ends a test that has failed."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)


def run(test: Callable[[Control], Awaitable[None]], **settings: Any) -> None:
    """Runs the test with everything up, and takes it all down again."""

    async def work() -> None:
        async with asyncio.timeout(2 * PATIENCE_S), workshop() as directory, control(directory, **settings) as made:
            await test(made)

    with logging_from(settings.get("log_level", "warning")):
        asyncio.run(work())


Stage = Callable[[Control], Awaitable[None]]


def run_across(first: Stage, between: Stage, second: Stage, **settings: Any) -> None:
    """Two servers, one after the other, over the same database and worker; `between`: with the first one dead."""

    async def work() -> None:
        stub = StubWorker()
        async with asyncio.timeout(2 * PATIENCE_S), workshop() as directory:
            made_of = settings_in(directory, **settings)
            async with worker_at(made_of.worker_socket, stub):
                async with server(made_of, stub) as made:
                    await first(made)
                await between(made)
                async with server(made_of, stub) as made:
                    await second(made)

    with logging_from("warning"):
        asyncio.run(work())


@contextmanager
def logging_from(level: str) -> Iterator[None]:
    """The library's default prints each request, in colour, and a failure with all its local variables."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]))
    try:
        yield
    finally:
        structlog.reset_defaults()


@asynccontextmanager
async def workshop() -> AsyncIterator[Path]:
    """A directory whose name is short enough for sockets (unix(7): 108 bytes)."""
    directory = Path(tempfile.mkdtemp(prefix="oc-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def settings_in(directory: Path, **settings: Any) -> Settings:
    return Settings(data_dir=directory, run_dir=directory, default_disk_mb=1024, **{"master_key": "5" * 64} | settings)


@asynccontextmanager
async def control(directory: Path, **settings: Any) -> AsyncIterator[Control]:
    made, stub = settings_in(directory, **settings), StubWorker()
    async with worker_at(made.worker_socket, stub), server(made, stub) as running:
        yield running


@asynccontextmanager
async def server(settings: Settings, stub: StubWorker) -> AsyncIterator[Control]:
    listening = listener("127.0.0.1:0")
    origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with plane(settings) as parts, serving(configuration(parts), listening):
        organization = await parts.store.accounts.ensure_organization("tests")
        _, key = await parts.store.accounts.create_key(organization.id, "tests")
        async with client(origin, key) as api:
            yield Control(parts, stub, origin, key, api)
