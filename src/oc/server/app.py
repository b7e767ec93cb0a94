"""The control plane as an ASGI application, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from oc.api import openapi, page
from oc.model.errors import NotFound
from oc.server import envelope, health
from oc.server.activity import Activity
from oc.server.answers import JSON
from oc.server.auth import Door
from oc.server.channel import Channel
from oc.server.edge import Edge
from oc.server.gate import Gate
from oc.server.hosts import Worker
from oc.server.identity import who_am_i
from oc.server.lifecycle import Lifecycle
from oc.server.loops.running import Loops
from oc.server.metrics import Metrics
from oc.server.relay import Relay
from oc.server.routes import Handler, routes
from oc.server.sandboxes import SandboxCalls
from oc.settings import Settings
from oc.store.store import Store

PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


@dataclass(frozen=True, slots=True)
class Plane:
    """The parts that outlive a request."""

    settings: Settings
    store: Store
    worker: Worker
    lifecycle: Lifecycle
    activity: Activity
    door: Door


@asynccontextmanager
async def plane(settings: Settings) -> AsyncIterator[Plane]:
    """Opens the database, runs the loops. Raises Failed, and Conflict for a database of a newer program."""
    store, worker = await Store.open(settings.database), Worker(settings.worker_socket)
    lifecycle = Lifecycle(store.sandboxes, worker, settings.max_sandboxes)
    made = Plane(settings, store, worker, lifecycle, Activity(), Door(store.accounts))
    try:
        async with Loops(store, worker, lifecycle, made.activity, made.door):
            yield made
    finally:
        await lifecycle.close()
        await worker.close()
        await store.close()


def application(plane: Plane) -> Starlette:
    gate, metrics = Gate(plane.store.sandboxes), Metrics(plane.store.sandboxes)
    relay = Relay(plane.worker, gate, plane.activity)
    channel = Channel(plane.worker, gate, plane.activity)
    app = Starlette(
        routes=[*_open_routes(plane, metrics), *routes(_handlers(plane, gate), relay, channel, plane.door)],
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=["*"],
                allow_methods=["*"],
                allow_headers=["*"],
                expose_headers=["X-Request-Id"],
            ),
            Middleware(Edge, metrics=metrics),
        ],
        exception_handlers=envelope.handlers,
    )
    app.router.redirect_slashes = False  # contract 0.2
    app.router.default = _nowhere
    return app


def _handlers(plane: Plane, gate: Gate) -> dict[str, Handler]:
    calls = SandboxCalls(plane.settings, plane.store, plane.worker, plane.lifecycle, gate, plane.activity)
    return {
        "createSandbox": calls.create,
        "listSandboxes": calls.list,
        "getSandbox": calls.get,
        "killSandbox": calls.kill,
        "setTimeout": calls.set_timeout,
        "whoAmI": who_am_i,
    }


def _open_routes(plane: Plane, metrics: Metrics) -> list[BaseRoute]:
    """Those that need no key."""
    document = msgspec.json.encode(openapi.document())
    text = page.render()

    async def describe(_: Request) -> Response:
        return Response(document, media_type=JSON)

    async def show(_: Request) -> Response:
        return HTMLResponse(text, headers=PAGE_HEADERS)

    return [
        Route("/health", health.health),
        Route("/healthz", health.alive),
        Route("/readyz", health.Readiness(plane.store.sandboxes, plane.worker).show),
        Route("/metrics", metrics.show),
        Route("/openapi.json", describe),
        Route("/docs", show),
    ]


async def _nowhere(scope: Scope, _: Receive, __: Send) -> None:
    raise NotFound(f"no such path: {scope['path'][:200]}", hint="see /docs")
