"""What running sandboxes use, all in one answer: for the server, which asks every few seconds."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from oc.worker import json_body
from oc.worker.supervisor import Supervisor


def routes(supervisor: Supervisor) -> list[BaseRoute]:
    async def show(_: Request) -> Response:
        """`cpuSeconds` are counted from the sandbox's last start on."""
        used = await supervisor.usage()
        return json_body.answer(
            [{"id": id, "cpuSeconds": one.cpu_s, "memoryBytes": one.memory_bytes} for id, one in used.items()]
        )

    return [Route("/statistics", show)]
