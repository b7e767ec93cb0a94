"""What sandboxes may send: told by the server before they start and whenever it changes (decision 0014)."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from oc.model.egress import Policy
from oc.model.errors import BadRequest, NotFound
from oc.model.ids import SANDBOX
from oc.worker import json_body
from oc.worker.supervisor import Supervisor


def routes(supervisor: Supervisor) -> list[BaseRoute]:
    calls = Calls(supervisor)
    return [
        Route("/sandboxes/{id}/egress", calls.put, methods=["PUT"]),
        Route("/sandboxes/{id}/egress", calls.delete, methods=["DELETE"]),
        Route("/sandboxes/{id}/violations", calls.violations),
    ]


class Calls:
    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    async def put(self, request: Request) -> Response:
        """Errors never hold what the body holds."""
        try:
            policy = msgspec.json.decode(await json_body.read(request), type=Policy)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise BadRequest("the body is not a policy") from None
        if policy.sandbox != _id(request):
            raise BadRequest("the path and the body name different sandboxes")
        await self._supervisor.govern(policy.sandbox, policy)
        return Response(status_code=204)

    async def delete(self, request: Request) -> Response:
        await self._supervisor.govern(_id(request), None)
        return Response(status_code=204)

    async def violations(self, request: Request) -> Response:
        return json_body.answer(self._supervisor.parts.network.refused(_id(request)))


def _id(request: Request) -> str:
    id: str = request.path_params["id"]
    if not SANDBOX.fullmatch(id):
        raise NotFound(f"sandbox {id[:64]} not found")
    return id
