"""What is done to a sandbox: each deed runs alone, in its sandbox's task, and may be cut short at any line by a crash.

The order of effects is a table; `faults.EFFECTS` names the same effects as crash points.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from oc.host import threads
from oc.model.errors import Conflict, Failed, NotFound, OpenComputerError
from oc.model.sandbox import Checkpoint, Image, Observed, Origin, Spec
from oc.runtime.driver import Death
from oc.wire.messages import TOKEN_BYTES
from oc.worker import capacity, faults, restores, saves, scaling, starting
from oc.worker.agent.failure import AgentFailed
from oc.worker.journal import Record, Step
from oc.worker.sandbox import Sandbox
from oc.worker.storing import TEMPLATE

log = structlog.get_logger()

ADOPT_S = 10.0

# --- create ----------------------------------------------------------------------------------------------------------


async def ensure(sandbox: Sandbox, spec: Spec) -> Observed:
    """Makes the sandbox unless it runs as `spec` says; thaws it. When making it fails nothing is left of it.

    Raises Conflict (it runs with another spec), Gone (it died or is being removed), Unavailable, NotSupported, Failed.
    """
    if sandbox.record is None:
        await _make(sandbox, spec)
    elif sandbox.record.step not in {Step.RUNNING, Step.FROZEN}:
        raise sandbox.absence()
    elif _comparable(sandbox.record.spec) != _comparable(spec):
        raise Conflict(f"sandbox {spec.id} exists with another size, origin or environment")
    await saves.thaw(sandbox)
    return sandbox.observed()


def _comparable(spec: Spec) -> Spec:
    """Without what may be another one, or have been said by a server that did not know of it yet."""
    return msgspec.structs.replace(spec, governed=False, template="")


async def _make(sandbox: Sandbox, spec: Spec) -> None:
    boot = ORIGINS[type(spec.origin)]
    async with sandbox.parts.starts:
        host = await threads.call(capacity.look, sandbox.parts.pool)
        capacity.admit(host, spec.size, sandbox.parts.disk_reserve_mb)
        try:
            await boot(sandbox, spec)
        except BaseException as error:
            await _roll_back(sandbox, error)
            if isinstance(error, OSError | AgentFailed):
                raise Failed(f"sandbox {spec.id} cannot be created: {error}") from error
            raise


async def _roll_back(sandbox: Sandbox, error: BaseException) -> None:
    """What is left when this fails too stays recorded, and is removed later."""
    log.warning("create failed", sandbox=sandbox.id, reason=str(error) or type(error).__name__)
    await sandbox.disconnect()
    if sandbox.record is None:  # the write itself may have failed half-way
        await sandbox.forget()
        return
    try:
        await _dismantle(sandbox, sandbox.record)
    except (OSError, OpenComputerError) as second:
        log.warning("cannot remove what a failed create left; will try again", sandbox=sandbox.id, reason=str(second))


async def _from_image(sandbox: Sandbox, spec: Spec) -> None:
    assert isinstance(spec.origin, Image)  # noqa: S101 - by the table of origins
    record = Record(spec, Step.MAKING, token=secrets.token_bytes(TOKEN_BYTES))
    faults.here("create:record")
    await sandbox.write(record)
    faults.here("create:disk")
    template = await sandbox.parts.disks.create(sandbox.id, spec.origin.name, spec.size.disk_mb)
    await starting.boot(sandbox, record)
    faults.here("create:running")
    await sandbox.write(msgspec.structs.replace(record, step=Step.RUNNING, base=TEMPLATE + template))
    faults.here("create:end")


ORIGINS: dict[type[Origin], Callable[[Sandbox, Spec], Awaitable[None]]] = {
    Image: _from_image,
    Checkpoint: restores.from_checkpoint,
}

# --- remove, lose ----------------------------------------------------------------------------------------------------


async def remove(sandbox: Sandbox) -> None:
    """Removes the sandbox and all that was made for it; fine when there is nothing."""
    if sandbox.record is not None:
        async with sandbox.parts.removals:
            await _dismantle(sandbox, sandbox.record)


async def _dismantle(sandbox: Sandbox, record: Record) -> None:
    faults.here("remove:record")
    if record.step is not Step.REMOVING:
        await sandbox.write(msgspec.structs.replace(record, step=Step.REMOVING))
    await sandbox.disconnect()
    await starting.release(sandbox, "remove")
    faults.here("remove:disk")
    await sandbox.parts.disks.delete(sandbox.id)
    faults.here("remove:forget")
    await sandbox.forget()
    faults.here("remove:end")


async def lose(sandbox: Sandbox, death: Death) -> None:
    """Records that a running sandbox has died, and of what."""
    record = sandbox.record
    if record is None or record.step in {Step.MAKING, Step.REMOVING, Step.LOST}:
        return
    log.warning("sandbox died", sandbox=sandbox.id, reason=death.reason)
    faults.here("lose:record")
    lost = msgspec.structs.replace(record, step=Step.LOST, reason=death.reason, memory_kills=sandbox.memory_kills)
    await sandbox.write(lost)
    await sandbox.disconnect()
    await starting.release(sandbox, "lose")
    faults.here("lose:end")


# --- adopt -----------------------------------------------------------------------------------------------------------


async def adopt(sandbox: Sandbox) -> None:
    """Goes on with what a former worker left: what runs is kept, what died is lost, the half-made is removed."""
    if sandbox.record is not None:
        await ADOPTIONS[sandbox.record.step](sandbox, sandbox.record)


async def _adopt_running(sandbox: Sandbox, record: Record) -> None:
    death = await sandbox.parts.driver.alive(sandbox.id)
    if death is None and await sandbox.parts.network.address(sandbox.id) is None:
        death = Death("its network is gone")
    if death is not None:
        await lose(sandbox, death)
        return
    with contextlib.suppress(Failed):  # it only stands still if it was just being saved
        await sandbox.parts.driver.resume(sandbox.id)
    try:
        await scaling.assure(sandbox, record.spec.size, ADOPT_S)
    except OpenComputerError as error:  # it may be slow, or paused: whoever asks for it later tries again
        log.warning("adopted sandbox does not answer, or not take its size", sandbox=sandbox.id, reason=str(error))


async def _adopt_frozen(sandbox: Sandbox, _: Record) -> None:
    if death := await sandbox.parts.driver.alive(sandbox.id):
        await lose(sandbox, death)
        return
    await sandbox.parts.driver.freeze(sandbox.id)


async def _adopt_restoring(sandbox: Sandbox, record: Record) -> None:
    """Back to what it was: nobody was told that the restore had been done."""
    try:
        await restores.undo(sandbox, record)
    except NotFound:
        await lose(sandbox, Death("a restore was cut short, and what it was before is gone"))


async def _adopt_lost(sandbox: Sandbox, _: Record) -> None:
    await starting.release(sandbox, "lose")


ADOPTIONS: dict[Step, Callable[[Sandbox, Record], Awaitable[None]]] = {
    Step.MAKING: _dismantle,
    Step.RUNNING: _adopt_running,
    Step.FROZEN: _adopt_frozen,
    Step.RESTORING: _adopt_restoring,
    Step.REBOOTING: restores.boot_again,
    Step.LOST: _adopt_lost,
    Step.REMOVING: _dismantle,
}
