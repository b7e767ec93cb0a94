"""Is it alive, is it ready (contract 1.8)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from oc.model.errors import OpenComputerError
from oc.server import answers
from oc.server.hosts import Worker
from oc.store.sandboxes import Sandboxes


async def health(_: Request) -> Response:
    return answers.json({"status": "ok", "role": "server"})


async def alive(_: Request) -> Response:
    return answers.json({"status": "alive"})


class Readiness:
    def __init__(self, sandboxes: Sandboxes, worker: Worker) -> None:
        self._sandboxes = sandboxes
        self._worker = worker

    async def show(self, _: Request) -> Response:
        """503 says which part fails."""
        await self._sandboxes.count_by_status()
        try:
            await self._worker.check()
        except OpenComputerError as error:
            return answers.json({"status": "not ready", "database": "ok", "worker": error.text}, 503)
        return answers.json({"status": "ready", "database": "ok", "worker": "ok"})
