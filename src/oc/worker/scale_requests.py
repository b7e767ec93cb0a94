"""What sandboxes have asked for from inside: another size of their own (contract 2.1.16).

Whether they get it is the server's to say. It looks here every second, does as it would for a client, and reports.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
from msgspec import field
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from oc.model.errors import BadRequest, Conflict, TooMany, Unavailable
from oc.model.ids import new_uuid
from oc.worker import json_body

ANSWER_S = 30.0
PAUSE_S = 5.0  # from one request of a sandbox to its next: each is recorded


class ScaleRequest(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    sandbox: str
    memory_mb: int = field(name="memoryMB")
    cpu_count: float | None


class Outcome(msgspec.Struct, frozen=True):
    """As an answer of the API."""

    status: int
    body: dict[str, Any]


class ScaleRequests:
    """At most one of each sandbox."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[ScaleRequest, asyncio.Future[Outcome]]] = {}
        self._last: dict[str, float] = {}

    async def ask(self, sandbox: str, memory_mb: int, cpu_count: float | None) -> Outcome:
        """Raises Conflict, TooMany, and Unavailable when nobody has answered in ANSWER_S."""
        self._admit(sandbox)
        request = ScaleRequest(new_uuid(), sandbox, memory_mb, cpu_count)
        settled: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[sandbox] = request, settled
        try:
            async with asyncio.timeout(ANSWER_S):
                return await settled
        except TimeoutError:
            raise Unavailable(f"nobody has scaled it within {ANSWER_S:g} seconds", hint="look at its limits") from None
        finally:
            del self._waiting[sandbox]

    def _admit(self, sandbox: str) -> None:
        if sandbox in self._waiting:
            raise Conflict("this sandbox is being scaled already")
        now = time.monotonic()
        self._last = {id: at for id, at in self._last.items() if now - at < PAUSE_S}
        if sandbox in self._last:
            raise TooMany(f"this sandbox was scaled less than {PAUSE_S:g} seconds ago", hint="try again in a moment")
        self._last[sandbox] = now

    def waiting(self) -> list[ScaleRequest]:
        return [request for request, _ in self._waiting.values()]

    def settle(self, id: str, outcome: Outcome) -> None:
        """One that is waited for no longer is forgotten already."""
        for request, settled in self._waiting.values():
            if request.id == id and not settled.done():
                settled.set_result(outcome)


def routes(requests: ScaleRequests) -> list[BaseRoute]:
    async def show(_: HttpRequest) -> Response:
        return json_body.answer(requests.waiting())

    async def settle(request: HttpRequest) -> Response:
        try:
            outcome = msgspec.json.decode(await json_body.read(request), type=Outcome)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequest(f"the body is not an outcome: {error}") from error
        requests.settle(request.path_params["request"], outcome)
        return Response(status_code=204)

    return [
        Route("/scale-requests", show),
        Route("/scale-requests/{request}", settle, methods=["POST"]),
    ]
