"""The control plane as an ASGI application, put together."""

from __future__ import annotations

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
from oc.server.answers import JSON
from oc.server.channel import Channel
from oc.server.checkpoints import CheckpointCalls
from oc.server.edge import Edge
from oc.server.forks import ForkCalls
from oc.server.gate import Gate
from oc.server.identity import who_am_i
from oc.server.making import Making
from oc.server.metrics import Metrics
from oc.server.patches import PatchCalls
from oc.server.plane import Plane
from oc.server.power import PowerCalls
from oc.server.relay import Relay
from oc.server.routes import Handler, routes
from oc.server.sandboxes import SandboxCalls

PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


def application(plane: Plane) -> Starlette:
    gate = Gate(plane.store.sandboxes, plane.changes, plane.sleep, plane.restores)
    metrics = Metrics(plane.store.sandboxes)
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
    making = Making(plane.store, plane.lifecycle)
    return {
        "whoAmI": who_am_i,
        **_of_sandboxes(plane, gate, making),
        **_of_power(plane, gate),
        **_of_checkpoints(plane, gate, making),
    }


def _of_sandboxes(plane: Plane, gate: Gate, making: Making) -> dict[str, Handler]:
    calls = SandboxCalls(plane.settings, plane.store, plane.worker, plane.lifecycle, gate, plane.activity, making)
    return {
        "createSandbox": calls.create,
        "listSandboxes": calls.list,
        "getSandbox": calls.get,
        "killSandbox": calls.kill,
        "setTimeout": calls.set_timeout,
    }


def _of_power(plane: Plane, gate: Gate) -> dict[str, Handler]:
    sandboxes = plane.store.sandboxes
    calls = PowerCalls(plane.settings, sandboxes, plane.worker, plane.changes, plane.sleep, gate, plane.activity)
    return {
        "hibernateSandbox": calls.hibernate,
        "wakeSandbox": calls.wake,
        "rebootSandbox": calls.reboot,
        "powerCycleSandbox": calls.reboot,
    }


def _of_checkpoints(plane: Plane, gate: Gate, making: Making) -> dict[str, Handler]:
    calls = CheckpointCalls(plane.store, plane.checkpointing, plane.restores, gate, plane.activity)
    forks = ForkCalls(plane.settings, plane.store, plane.worker, plane.checkpointing, making)
    patches = PatchCalls(plane.store, plane.checkpointing)
    return {
        "createCheckpoint": calls.create,
        "listCheckpoints": calls.list,
        "deleteCheckpoint": calls.delete,
        "restoreCheckpoint": calls.restore,
        "publishCheckpoint": calls.publishing(True),
        "unpublishCheckpoint": calls.publishing(False),
        "forkCheckpoint": forks.fork,
        "createPatch": patches.create,
        "listPatches": patches.list,
        "deletePatch": patches.delete,
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
