"""Does what programs in sandboxes have asked of the metadata service, as it would for a client (contract 2.1.16)."""

from __future__ import annotations

import asyncio
from typing import Any

from oc.model.errors import Gone, OpenComputerError, Unavailable
from oc.model.sandbox import Status
from oc.server.gate import refusal
from oc.server.hosts import ScaleRequest, Worker, WorkerUnavailable
from oc.server.loops.together import side_by_side
from oc.server.scaling import Scaling
from oc.store.sandboxes import By, Sandbox, Sandboxes

PATIENCE_S = 25.0  # less than the program inside has; what has begun goes on


class Inside:
    def __init__(self, sandboxes: Sandboxes, worker: Worker, scaling: Scaling) -> None:
        self._sandboxes = sandboxes
        self._worker = worker
        self._scaling = scaling

    async def __call__(self) -> None:
        try:
            requests = await self._worker.scale_requests()
        except WorkerUnavailable:
            return  # then nobody asks
        await side_by_side([self._settle(request) for request in requests])

    async def _settle(self, request: ScaleRequest) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                status, body = 200, await self._scale(request)
        except TimeoutError:
            late = Unavailable("it is busy with something else", hint="look at its limits in a while")
            status, body = late.status, late.body()
        except OpenComputerError as error:
            status, body = error.status, error.body()
        await self._worker.settle_scale_request(request.id, status, body)

    async def _scale(self, request: ScaleRequest) -> dict[str, Any]:
        row = await self._running(request.sandbox)
        scaled = await self._scaling.scale(row, request.memory_mb, request.cpu_count, By.SANDBOX)
        size = scaled.sandbox.wish.size
        return {"ok": True, "memoryMB": size.memory_mb, "cpuPercent": round(size.cpus * 100)}

    async def _running(self, id: str) -> Sandbox:
        row = await self._sandboxes.get(id)
        if row is None:
            raise Gone(f"sandbox {id} is not known")
        if row.status is not Status.RUNNING:
            raise refusal(row)
        return row
