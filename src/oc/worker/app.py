"""The worker's HTTP interface, for the server on the other end of a Unix socket; it is not public."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from oc.model.errors import BadRequest, NotFound
from oc.model.ids import SANDBOX, UUID
from oc.model.sandbox import Checkpoint, Spec
from oc.wire.messages import MAX_FRAME, MAX_TEXT
from oc.worker import artifacts, dataplane, egress, envelope, json_body, metadata, scale_requests, statistics, tunnels
from oc.worker.logs import RequestId
from oc.worker.supervisor import Supervisor

LARGEST_ENVIRONMENT = MAX_FRAME // 2  # bytes; the rest is for lengths and what the image adds


def create_app(supervisor: Supervisor, for_tunnels: socket.socket) -> Starlette:
    """Sandboxes are adopted before the sockets are listened on, and let go of when they are closed."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with supervisor, tunnels.serving(for_tunnels, supervisor), metadata.serving(supervisor):
            yield

    calls = Calls(supervisor)
    routes = [
        Route("/health", calls.health),
        Route("/host", calls.host),
        Route("/sandboxes", calls.list),
        Route("/sandboxes/{id}", calls.get),
        Route("/sandboxes/{id}", calls.ensure, methods=["PUT"]),
        Route("/sandboxes/{id}", calls.remove, methods=["DELETE"]),
        *artifacts.routes(supervisor),
        *statistics.routes(supervisor),
        *scale_requests.routes(supervisor.scale_requests),
        *egress.routes(supervisor),
        *dataplane.routes(supervisor),
    ]
    middleware = [Middleware(RequestId)]
    return Starlette(routes=routes, middleware=middleware, exception_handlers=envelope.handlers, lifespan=lifespan)


class Calls:
    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    async def health(self, _: Request) -> Response:
        supervisor = self._supervisor
        detail = supervisor.preparation.detail
        return json_body.answer(
            {
                "status": "ok" if detail is None else "preparing",
                "detail": detail,
                "role": "worker",
                "runtime": supervisor.parts.driver.name,
                "build": supervisor.build,
            }
        )

    async def host(self, _: Request) -> Response:
        return json_body.answer(await self._supervisor.host())

    async def list(self, _: Request) -> Response:
        return json_body.answer(self._supervisor.all())

    async def get(self, request: Request) -> Response:
        return json_body.answer(self._supervisor.observed(request.path_params["id"]))

    async def ensure(self, request: Request) -> Response:
        spec = _spec(await json_body.read(request))
        if spec.id != request.path_params["id"]:
            raise BadRequest(f"the path names {request.path_params['id']}, the body {spec.id}")
        return json_body.answer(await self._supervisor.ensure(spec))

    async def remove(self, request: Request) -> Response:
        id = request.path_params["id"]
        if not SANDBOX.fullmatch(id):
            raise NotFound(f"sandbox {id} not found")
        await self._supervisor.remove(id)
        return Response(status_code=204)


def _spec(body: bytes) -> Spec:
    """Raises BadRequest. The id becomes part of paths and names on the host."""
    try:
        spec = msgspec.json.decode(body, type=Spec)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"the body is not a spec: {error}") from error
    if not SANDBOX.fullmatch(spec.id):
        raise BadRequest(f"{spec.id!r} is not a sandbox id")
    if isinstance(spec.origin, Checkpoint) and not UUID.fullmatch(spec.origin.id):
        raise BadRequest(f"{spec.origin.id[:64]!r} is not an artifact's id")
    if min(spec.size.cpus, spec.size.memory_mb, spec.size.disk_mb) <= 0:
        raise BadRequest("cpus, memory_mb and disk_mb must be above 0")
    _check_environment(spec.envs)
    return spec


def _check_environment(envs: dict[str, str]) -> None:
    """Raises BadRequest. All of it goes to the agent in one frame."""
    for name, value in envs.items():
        if not name or "=" in name or "\0" in name + value or len(f"{name}={value}".encode()) > MAX_TEXT:
            what = f"environment variable {name[:100]!r} cannot be set"
            raise BadRequest(what, hint="at most 64 KiB of text, no = in its name")
    if sum(len(f"{name}={value}".encode()) for name, value in envs.items()) > LARGEST_ENVIRONMENT:
        raise BadRequest(f"the environment is larger than {LARGEST_ENVIRONMENT} bytes")
