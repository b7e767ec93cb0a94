"""Deeds that put a sandbox to what was saved: a new one (fork, wake) or one that runs (restore); and boot it again.

Until the new is whole the old is still there: a worker that was killed in the middle of a restore goes back.
"""

from __future__ import annotations

import secrets

import msgspec
import structlog

from oc.host import threads
from oc.model.errors import Conflict, Failed, NotSupported, OpenComputerError
from oc.model.sandbox import Checkpoint, Observed, Spec
from oc.wire.messages import TOKEN_BYTES
from oc.worker import faults, saves, starting
from oc.worker.journal import Record, Step
from oc.worker.sandbox import Sandbox
from oc.worker.shelf import DISK, MEMORY, Contents

log = structlog.get_logger()

UNDO = "undo-"  # artifact that a restore goes back to when it fails; named after its sandbox


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
    saved = sandbox.parts.shelf.path(origin.id)
    faults.here("create:disk")
    await sandbox.parts.disks.adopt(sandbox.id, saved / DISK)
    if origin.memory:
        await starting.boot(sandbox, record, saved / MEMORY, bytes.fromhex(contents.token))
    else:
        await starting.boot(sandbox, record)


# --- in-place restore ------------------------------------------------------------------------------------------------


async def restore(sandbox: Sandbox, origin: Checkpoint) -> Observed:
    """Puts the sandbox back to an artifact. If that fails it is as it was before the call, and the error is raised.

    Raises NotFound, Conflict, NotSupported, BlobUnavailable, Failed.
    """
    parts = sandbox.parts
    await saves.thaw(sandbox)
    before = saves.running(sandbox)
    async with parts.storing.holding(origin.id):
        contents = await threads.call(parts.shelf.contents, origin.id)
        await _check(sandbox, origin, contents)
        await drop_undo(sandbox)
        await saves.save(sandbox, before, UNDO + sandbox.id, memory=True)
        faults.here("restore:record")
        await sandbox.write(msgspec.structs.replace(before, step=Step.RESTORING))
        try:
            await _replace(sandbox, before, origin, contents)
        except (OSError, OpenComputerError) as error:
            log.warning("restore failed; going back", sandbox=sandbox.id, reason=str(error))
            await undo(sandbox, before)
            if isinstance(error, OpenComputerError):
                raise
            raise Failed(f"sandbox {sandbox.id} cannot be restored, and runs on as it was: {error}") from error
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
    await starting.release(sandbox, "restore")
    faults.here("restore:disk")
    await sandbox.parts.disks.delete(sandbox.id)
    await _start(sandbox, record, origin, contents)


async def drop_undo(sandbox: Sandbox) -> None:
    await threads.call(sandbox.parts.shelf.remove, UNDO + sandbox.id)


async def reboot(sandbox: Sandbox) -> Observed:
    """Processes and memory go, the disk stays. One that died is started again."""
    await saves.thaw(sandbox)
    record = sandbox.record
    if record is None or record.step not in {Step.RUNNING, Step.LOST}:
        raise sandbox.absence()
    faults.here("reboot:record")
    await sandbox.write(msgspec.structs.replace(record, step=Step.REBOOTING, reason=None))
    await boot_again(sandbox, record)
    return sandbox.observed()


async def boot_again(sandbox: Sandbox, record: Record) -> None:
    await sandbox.disconnect()
    await starting.release(sandbox, "reboot")
    await starting.boot(sandbox, record)
    await sandbox.write(msgspec.structs.replace(record, step=Step.RUNNING, reason=None))
