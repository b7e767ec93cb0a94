"""Scale a sandbox, have it scaled, and keep it from being scaled (contract 2.1.10)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from oc.api.bodies import AutoscaleAnswer, ScaledAnswer, ScaleSandbox, ScalingLock, ScalingLockAnswer, SetAutoscale
from oc.server import answers, request_body, wishes
from oc.server.activity import Activity
from oc.server.gate import Gate, not_running, refusal
from oc.server.hosts import Worker
from oc.server.scaling import Scaling, locked
from oc.settings import Settings
from oc.store.accounts import Caller
from oc.store.sandboxes import By, Sandbox
from oc.store.scaling import Scaling as Rows


class ScalingCalls:
    def __init__(
        self, settings: Settings, rows: Rows, worker: Worker, scaling: Scaling, gate: Gate, activity: Activity
    ) -> None:
        self._settings = settings
        self._rows = rows
        self._worker = worker
        self._scaling = scaling
        self._gate = gate
        self._activity = activity

    async def scale(self, request: Request, caller: Caller) -> Response:
        """One that sleeps is woken: how much it uses is only known of one that runs."""
        row = await self._gate.any(request, caller)
        body = await request_body.read(request, ScaleSandbox)
        await self._scaling.check(row, body.memory_mb, body.cpu_count)
        row = await self._gate.running(request, caller, not_running)
        with self._activity.busy(row.id):
            scaled = await self._scaling.scale(row, body.memory_mb, body.cpu_count, By.CLIENT)
        size = scaled.sandbox.wish.size
        return answers.json(
            ScaledAnswer(
                sandbox_id=row.id,
                memory_mb=size.memory_mb,
                cpu_percent=round(size.cpus * 100),
                worker_id=self._settings.instance,
                autoscale_disabled=scaled.autoscale_ended,
            )
        )

    async def get_autoscale(self, request: Request, caller: Caller) -> Response:
        return answers.json(_autoscale(await self._gate.any(request, caller)))

    async def set_autoscale(self, request: Request, caller: Caller) -> Response:
        row = await self._gate.any(request, caller)
        body = await request_body.read(request, SetAutoscale)
        if body.enabled:
            bounds = wishes.autoscale(body.min_memory_mb, body.max_memory_mb, await self._worker.host())
            changed = await self._rows.start_autoscale(row.id, *bounds)
        else:
            changed = await self._rows.end_autoscale(row.id)
        if changed is None:
            row = await self._gate.any(request, caller)
            raise locked(row.id) if row.scaling_locked else refusal(row)
        return answers.json(_autoscale(changed))

    async def get_lock(self, request: Request, caller: Caller) -> Response:
        row = await self._gate.any(request, caller)
        return answers.json(ScalingLockAnswer(row.id, row.scaling_locked))

    async def set_lock(self, request: Request, caller: Caller) -> Response:
        row = await self._gate.any(request, caller)
        body = await request_body.read(request, ScalingLock)
        changed = await self._rows.lock(row.id, body.locked)
        if changed is None:
            raise refusal(await self._gate.any(request, caller))
        return answers.json(ScalingLockAnswer(row.id, changed.scaling_locked))


def _autoscale(row: Sandbox) -> AutoscaleAnswer:
    enabled = row.autoscale_max_mb is not None
    return AutoscaleAnswer(row.id, enabled, row.autoscale_min_mb or 0, row.autoscale_max_mb or 0)
