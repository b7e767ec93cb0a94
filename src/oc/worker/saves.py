"""Deeds that save a sandbox and that start one from what was saved.

The order of effects keeps one promise: whatever was acknowledged is whole on this host's disk first, and until something
new is whole the old is still there. A worker killed at any line finds either and goes on from it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec
import structlog

from oc.host import threads
from oc.model.artifact import Artifact
from oc.model.errors import Conflict, NotSupported, OpenComputerError
from oc.model.sandbox import Checkpoint, Observed, Spec
from oc.runtime.driver import Launch
from oc.wire.messages import TOKEN_BYTES
from oc.worker import deeds, faults
from oc.worker.journal import Record, Step
from oc.worker.sandbox import Sandbox
from oc.worker.shelf import DISK, MEMORY, Contents

log = structlog.get_logger()

UNDO = "undo-"  # artifact that a restore goes back to when it fails; named after its sandbox


# --- save ------------------------------------------------------------------------------------------------------------


async def checkpoint(sandbox: Sandbox, id: str, memory: bool) -> Artifact:
    """Saves the sandbox, which stands still meanwhile and then runs on. The same id again is the same artifact."""
    if await threads.call(sandbox.parts.shelf.has, id):
        return await threads.call(sandbox.parts.shelf.record, id)
    await thaw(sandbox)
    record = running(sandbox)
    artifact = await _save(sandbox, record, id, memory)
    await _note_base(sandbox, id)
    sandbox.parts.storing.nudge()
    return artifact


async def _save(sandbox: Sandbox, record: Record, id: str, memory: bool) -> Artifact:
    """Raises Failed, and NotSupported for what the runtime cannot save; the sandbox runs on then."""
    parts, spec = sandbox.parts, record.spec
    build = await parts.driver.build()
    faults.here("save:begin")
    into = await threads.call(parts.shelf.begin, id)
    try:
        started = time.monotonic()
        async with _paused(sandbox):
            if memory:
                faults.here("save:memory")
                await parts.driver.save(sandbox.id, into / MEMORY, stop=False)
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
async def _paused(sandbox: Sandbox) -> AsyncIterator[None]:
    driver = sandbox.parts.driver
    await driver.pause(sandbox.id)
    try:
        yield
    finally:
        await asyncio.shield(driver.resume(sandbox.id))


async def _note_base(sandbox: Sandbox, id: str) -> None:
    """The next artifact of this sandbox shares most chunks with this one."""
    assert sandbox.record is not None  # noqa: S101 - it was running a moment ago, and deeds run alone
    await sandbox.write(msgspec.structs.replace(sandbox.record, base=id))


async def hibernate(sandbox: Sandbox, id: str) -> Artifact:
    """Saves the sandbox and releases all that it held here."""
    parts = sandbox.parts
    if await threads.call(parts.shelf.has, id):
        artifact = await threads.call(parts.shelf.record, id)
    else:
        await thaw(sandbox)
        artifact = await _save(sandbox, running(sandbox), id, memory=True)
    await deeds.remove(sandbox)
    parts.storing.nudge()
    return artifact


def running(sandbox: Sandbox) -> Record:
    """The record of a sandbox that runs. Raises what `absence` says otherwise."""
    if sandbox.record is None or not sandbox.running:
        raise sandbox.absence()
    return sandbox.record


# --- start from what was saved ---------------------------------------------------------------------------------------


async def from_checkpoint(sandbox: Sandbox, spec: Spec) -> None:
    """As `create`, but the disk is a clone of the artifact's, and with its memory the processes go on."""
    assert isinstance(spec.origin, Checkpoint)  # noqa: S101 - by the table of origins
    async with sandbox.parts.storing.holding(spec.origin.id):
        contents = await threads.call(sandbox.parts.shelf.contents, spec.origin.id)
        await _check(sandbox, spec.origin, contents)
        record = Record(spec, Step.MAKING, token=secrets.token_bytes(TOKEN_BYTES), base=spec.origin.id)
        faults.here("create:record")
        await sandbox.write(record)
        await _start(sandbox, record, spec.origin, contents)
        faults.here("create:running")
        await sandbox.write(msgspec.structs.replace(record, step=Step.RUNNING))
        faults.here("create:end")


async def _check(sandbox: Sandbox, origin: Checkpoint, contents: Contents) -> None:
    if not origin.memory:
        return
    if not contents.memory:
        raise Conflict(f"checkpoint {origin.id} holds only a disk", hint="start it without memory")
    build = await sandbox.parts.driver.build()
    if contents.build != build:
        raise NotSupported(
            f"checkpoint {origin.id} was saved by {contents.build}; this host runs {build} and cannot load its memory",
            hint="start it from its disk alone, with kind disk_only",
        )


async def _start(sandbox: Sandbox, record: Record, origin: Checkpoint, contents: Contents) -> None:
    parts = sandbox.parts
    saved = parts.shelf.path(origin.id)
    faults.here("create:disk")
    await parts.disks.adopt(sandbox.id, saved / DISK, record.spec.size.disk_mb)
    faults.here("create:mount")
    root = await parts.disks.mount(sandbox.id)
    faults.here("create:network")
    attached = await parts.network.attach(sandbox.id)
    netns = None if attached.netns is None else str(attached.netns)
    launch = replace(sandbox.launch(record, attached.address, netns), root=root)
    if origin.memory:
        launch = replace(launch, memory=saved / MEMORY, token=bytes.fromhex(contents.token))
    faults.here("create:runtime")
    await _run(sandbox, record, launch)


async def _run(sandbox: Sandbox, record: Record, launch: Launch) -> None:
    """A restored agent still asks for the token that it was saved with, until it is given its own."""
    sandbox.endpoint = await sandbox.parts.driver.start(launch)
    faults.here("create:agent")
    await deeds.answering(sandbox, sandbox.endpoint)
    await deeds.configure(sandbox, record)
    sandbox.endpoint = replace(sandbox.endpoint, token=record.token)


# --- in-place restore ------------------------------------------------------------------------------------------------


async def restore(sandbox: Sandbox, origin: Checkpoint) -> Observed:
    """Puts the sandbox back to an artifact. If that fails it is as it was before the call, and the error is raised.

    Raises NotFound, Conflict, NotSupported, BlobUnavailable, Failed.
    """
    parts = sandbox.parts
    await thaw(sandbox)
    before = running(sandbox)
    async with parts.storing.holding(origin.id):
        contents = await threads.call(parts.shelf.contents, origin.id)
        await _check(sandbox, origin, contents)
        await drop_undo(sandbox)
        await _save(sandbox, before, UNDO + sandbox.id, memory=True)
        faults.here("restore:record")
        await sandbox.write(msgspec.structs.replace(before, step=Step.RESTORING))
        try:
            await _replace(sandbox, before, origin, contents)
        except (OSError, OpenComputerError) as error:
            log.warning("restore failed; going back", sandbox=sandbox.id, reason=str(error))
            await undo(sandbox, before)
            raise
    faults.here("restore:running")
    await sandbox.write(msgspec.structs.replace(before, step=Step.RUNNING, base=origin.id))
    await drop_undo(sandbox)
    return sandbox.observed()


async def undo(sandbox: Sandbox, before: Record) -> None:
    """Puts the sandbox back to what it was before a restore that failed or was cut short."""
    id = UNDO + sandbox.id
    contents = await threads.call(sandbox.parts.shelf.contents, id)
    await _replace(sandbox, before, Checkpoint(id), contents)
    await sandbox.write(msgspec.structs.replace(before, step=Step.RUNNING))
    await drop_undo(sandbox)


async def _replace(sandbox: Sandbox, record: Record, origin: Checkpoint, contents: Contents) -> None:
    await sandbox.disconnect()
    await deeds.release(sandbox, "restore")
    faults.here("restore:disk")
    await sandbox.parts.disks.delete(sandbox.id)
    await _start(sandbox, record, origin, contents)


async def drop_undo(sandbox: Sandbox) -> None:
    await threads.call(sandbox.parts.shelf.remove, UNDO + sandbox.id)


# --- stand still, boot again -----------------------------------------------------------------------------------------


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


async def reboot(sandbox: Sandbox) -> Observed:
    """Processes and memory go, the disk stays. One that died is started again."""
    await thaw(sandbox)
    record = sandbox.record
    if record is None or record.step not in {Step.RUNNING, Step.LOST}:
        raise sandbox.absence()
    faults.here("reboot:record")
    await sandbox.write(msgspec.structs.replace(record, step=Step.REBOOTING, reason=None))
    await boot_again(sandbox, record)
    return sandbox.observed()


async def boot_again(sandbox: Sandbox, record: Record) -> None:
    await sandbox.disconnect()
    await deeds.release(sandbox, "reboot")
    await deeds.boot(sandbox, record)
    await sandbox.write(msgspec.structs.replace(record, step=Step.RUNNING, reason=None))


