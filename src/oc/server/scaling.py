"""Gives running sandboxes other sizes: for clients, for programs inside, and for autoscaling (contract 2.1.10).

The row says what a sandbox is being given before its worker is asked, so that what a crash has cut short is finished.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import msgspec
import structlog

from oc.model.errors import OpenComputerError
from oc.model.sandbox import Size
from oc.server import wishes
from oc.server.changes import Changes
from oc.server.gate import refusal
from oc.server.hosts import Worker, WorkerUnavailable
from oc.store.sandboxes import By, Sandbox
from oc.store.store import Store

log = structlog.get_logger()


class ScalingLocked(OpenComputerError):  # noqa: N818 - as in model.errors
    status, code = 403, "scaling_locked"


def locked(id: str) -> ScalingLocked:
    return ScalingLocked(f"scaling of sandbox {id} is locked", hint=f"oc sandbox unlock {id}")


class Scaled(NamedTuple):
    sandbox: Sandbox
    autoscale_ended: bool


class Scaling:
    def __init__(self, store: Store, worker: Worker, changes: Changes) -> None:
        self._sandboxes = store.sandboxes
        self._rows = store.scaling
        self._worker = worker
        self._changes = changes

    async def check(self, row: Sandbox, memory_mb: int | None, cpus: float | None) -> Size:
        """The size that it would have. Raises BadRequest and ScalingLocked."""
        size = wishes.resized(row.wish.size, memory_mb, cpus, await self._worker.host())
        if row.scaling_locked:
            raise locked(row.id)
        return size

    async def scale(self, row: Sandbox, memory_mb: int | None, cpus: float | None, by: By) -> Scaled:
        """In line with what else is done to it. What is None stays.

        Raises as `check` does, what there is to say of one that does not run, and what the worker says; its size is
        what it was then.
        """
        await self.check(row, memory_mb, cpus)
        act = partial(self._scale, row.id, memory_mb, cpus, by)
        return await self._changes.do(row.id, f"scale {memory_mb} {cpus} {by}", act)

    async def finish(self, id: str) -> None:
        """What a former server began."""
        await self._changes.do(id, "finish scaling", partial(self._resume, id))

    async def _scale(self, id: str, memory_mb: int | None, cpus: float | None, by: By) -> Scaled:
        row = await self._row(id)
        before = row.wish.size
        size = msgspec.structs.replace(
            before,
            memory_mb=before.memory_mb if memory_mb is None else memory_mb,
            cpus=before.cpus if cpus is None else cpus,
        )
        begun = await self._rows.begin(id, size, by)
        if begun is None:
            row = await self._row(id)
            raise locked(id) if row.scaling_locked else refusal(row)
        return Scaled(await self._finish(begun), begun.autoscale_max_mb is not None and by is not By.AUTOSCALE)

    async def _resume(self, id: str) -> None:
        row = await self._row(id)
        if row.scaling is not None:
            await self._finish(row)

    async def _finish(self, begun: Sandbox) -> Sandbox:
        assert begun.scaling is not None  # noqa: S101 - it has begun
        cpus, memory_mb = begun.scaling.cpus, begun.scaling.memory_mb
        try:
            await self._worker.resize(begun.id, cpus, memory_mb)
        except WorkerUnavailable:
            raise  # it may have heard: the heal loop finishes it
        except OpenComputerError:
            await self._rows.undo(begun.id)
            raise
        log.info("sandbox scaled", sandbox=begun.id, memory_mb=memory_mb, cpus=cpus, by=begun.scaling.by)
        return await self._rows.end(begun) or await self._row(begun.id)

    async def _row(self, id: str) -> Sandbox:
        row = await self._sandboxes.get(id)
        assert row is not None  # noqa: S101 - rows are never deleted
        return row
