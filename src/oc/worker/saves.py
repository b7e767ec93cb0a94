"""Deeds that save a sandbox, and that let it stand still.

An artifact is whole on this host's disk before anyone is told of it; a worker that was killed while it saved finds the
sandbox as it was.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import msgspec

from oc.host import threads
from oc.model.artifact import Artifact
from oc.model.sandbox import Observed
from oc.worker import faults
from oc.worker.journal import Record, Step
from oc.worker.sandbox import Sandbox
from oc.worker.shelf import DISK, MEMORY, Contents

# --- save ------------------------------------------------------------------------------------------------------------


async def checkpoint(sandbox: Sandbox, id: str, memory: bool) -> Artifact:
    """Saves the sandbox, which stands still meanwhile and then runs on. The same id again is the same artifact."""
    if await threads.call(sandbox.parts.shelf.knows, id):
        return await threads.call(sandbox.parts.shelf.record, id)
    await thaw(sandbox)
    record = running(sandbox)
    artifact = await save(sandbox, record, id, memory)
    await _note_base(sandbox, id)
    sandbox.parts.storing.nudge()
    return artifact


async def save(sandbox: Sandbox, record: Record, id: str, memory: bool, *, stands: bool = False) -> Artifact:
    """`stands`: the caller keeps it still, before and after; else it is paused while it is read, and runs on.

    Raises Failed, and NotSupported for what the runtime cannot save.
    """
    parts, spec = sandbox.parts, record.spec
    build = await parts.driver.build()
    faults.here("save:begin")
    into = await threads.call(parts.shelf.begin, id)
    try:
        started = time.monotonic()
        async with nullcontext() if stands else standing(sandbox):
            if memory:
                faults.here("save:memory")
                await parts.driver.save(sandbox.id, into / MEMORY)
            faults.here("save:disk")
            await parts.disks.snapshot(sandbox.id, into / DISK)
        paused_ms = round(1000 * (time.monotonic() - started))
        contents = Contents(sandbox.id, spec.size, spec.envs, memory, build, record.token.hex(), record.base)
        artifact = Artifact(id, sandbox.id, memory, spec.size, "storing", paused_ms=paused_ms)
        faults.here("save:commit")
        await threads.call(parts.shelf.commit, id, contents, artifact)
    except BaseException:
        await threads.call(parts.shelf.abandon, id)
        raise
    faults.here("save:end")
    return artifact


@asynccontextmanager
async def standing(sandbox: Sandbox) -> AsyncIterator[None]:
    """The sandbox stands still meanwhile. It runs on afterwards, unless it was removed."""
    driver = sandbox.parts.driver
    await driver.pause(sandbox.id)
    try:
        yield
    finally:
        if sandbox.running:
            await asyncio.shield(driver.resume(sandbox.id))


async def _note_base(sandbox: Sandbox, id: str) -> None:
    """The next artifact of this sandbox shares most chunks with this one."""
    assert sandbox.record is not None  # noqa: S101 - it was running a moment ago, and deeds run alone
    await sandbox.write(msgspec.structs.replace(sandbox.record, base=id))


def running(sandbox: Sandbox) -> Record:
    """The record of a sandbox that runs. Raises what `absence` says otherwise."""
    if sandbox.record is None or not sandbox.running:
        raise sandbox.absence()
    return sandbox.record


# --- stand still -----------------------------------------------------------------------------------------------------


async def freeze(sandbox: Sandbox) -> Observed:
    """No CPU time for it until `thaw`; its memory stays where it is. Again is no change."""
    if sandbox.record is not None and sandbox.record.step is Step.FROZEN:
        return sandbox.observed()
    record = running(sandbox)
    await sandbox.disconnect()
    faults.here("freeze:record")
    await sandbox.write(msgspec.structs.replace(record, step=Step.FROZEN))
    faults.here("freeze:runtime")
    await sandbox.parts.driver.freeze(sandbox.id)
    return sandbox.observed()


async def thaw(sandbox: Sandbox) -> None:
    """Fine when it is not frozen."""
    record = sandbox.record
    if record is None or record.step is not Step.FROZEN:
        return
    await sandbox.parts.driver.thaw(sandbox.id)
    faults.here("thaw:record")
    await sandbox.write(msgspec.structs.replace(record, step=Step.RUNNING))
