"""The control plane as an ASGI application, put together."""

from __future__ import annotations

from collections.abc import Callable

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
from oc.server import envelope, health, install
from oc.server.answers import JSON
from oc.server.api import Api
from oc.server.certificates import Certificates
from oc.server.edge import Edge
from oc.server.metrics import Metrics
from oc.server.plane import Plane
from oc.server.preview.dispatch import Dispatch
from oc.server.preview.proxy import Previews
from oc.server.preview_door import PreviewDoor

PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


Web = Callable[[Plane, Api], list[BaseRoute]]  # pages for people, from a layer above this one


def application(plane: Plane, web: Web | None = None) -> Dispatch:
    metrics = Metrics(plane.store.sandboxes)
    api = Api(plane)
    pages = web(plane, api) if web else []
    app = Starlette(
        routes=[*_open_routes(plane, metrics), *api.routes(plane.door), *pages],
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
    door = PreviewDoor(plane.settings, plane.store, api.gate)
    return Dispatch(app, Previews(plane.settings.tunnel_socket, door, plane.activity, metrics.previews))


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
        Route("/tls/ask", Certificates(plane.settings, plane.store.previews).ask),
        Route("/openapi.json", describe),
        Route("/docs", show),
        *install.routes(plane.settings.public_url),
    ]


async def _nowhere(scope: Scope, _: Receive, __: Send) -> None:
    raise NotFound(f"no such path: {scope['path'][:200]}", hint="see /docs")
