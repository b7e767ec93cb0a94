"""What is done to a sandbox: each deed runs alone, in its sandbox's task, and may be cut short at any line by a crash.

The order of effects is a table; `faults.EFFECTS` names the same effects as crash points.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace

import msgspec
import structlog

from oc.host import threads
from oc.model.errors import Conflict, Failed, NotSupported, OpenComputerError, Unavailable
from oc.model.sandbox import Checkpoint, Image, Observed, Origin, Spec
from oc.runtime.driver import Death, Endpoint
from oc.wire.messages import TOKEN_BYTES, Configure
from oc.worker import capacity, faults
from oc.worker.agent.failure import AgentFailed
from oc.worker.journal import Record, Step
from oc.worker.sandbox import Sandbox

log = structlog.get_logger()

START_S = 30.0  # from the runtime's word that it runs to its agent's first answer, on a host that is busy
ADOPT_S = 10.0
ALIVE_EVERY_S = 0.5
ENTROPY_BYTES = 64

# --- create ----------------------------------------------------------------------------------------------------------


async def ensure(sandbox: Sandbox, spec: Spec) -> Observed:
    """Makes the sandbox unless it runs as `spec` says. When that fails nothing is left of it.

    Raises Conflict (it runs with another spec), Gone (it died or is being removed), Unavailable, NotSupported, Failed.
    """
    if sandbox.record is None:
        await _make(sandbox, spec)
    elif not sandbox.running:
        raise sandbox.absence()
    elif sandbox.record.spec != spec:
        raise Conflict(f"sandbox {spec.id} exists with another size, origin or environment")
    return sandbox.observed()


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
    parts = sandbox.parts
    record = Record(spec, Step.MAKING, token=secrets.token_bytes(TOKEN_BYTES))
    faults.here("create:record")
    await sandbox.write(record)
    faults.here("create:disk")
    await parts.disks.create(sandbox.id, spec.origin.name, spec.size.disk_mb)
    faults.here("create:mount")
    root = await parts.disks.mount(sandbox.id)
    faults.here("create:network")
    attached = await parts.network.attach(sandbox.id)
    faults.here("create:runtime")
    netns = None if attached.netns is None else str(attached.netns)
    launch = replace(sandbox.launch(record, attached.address, netns), root=root)
    sandbox.endpoint = await parts.driver.start(launch)
    faults.here("create:agent")
    await _answering(sandbox, sandbox.endpoint)
    await _configure(sandbox, spec)
    faults.here("create:running")
    await sandbox.write(msgspec.structs.replace(record, step=Step.RUNNING))
    faults.here("create:end")


async def _answering(sandbox: Sandbox, endpoint: Endpoint) -> None:
    """Connects to the agent of a sandbox that starts. Raises Failed as soon as it is seen to have died instead."""
    opening = asyncio.create_task(sandbox.open(endpoint, START_S))
    try:
        while not opening.done():
            await asyncio.wait([opening], timeout=ALIVE_EVERY_S)
            if not opening.done() and (death := await sandbox.parts.driver.alive(sandbox.id)):
                raise Failed(f"sandbox {sandbox.id} died while it started: {death.reason}")
        await opening
    finally:
        opening.cancel()


async def _configure(sandbox: Sandbox, spec: Spec) -> None:
    environment = {**sandbox.parts.images.environment(), **spec.envs}
    link = await sandbox.connected()
    await link.configure(
        Configure(
            time_ns=0,  # a runtime that boots takes the host's clock
            entropy=secrets.token_bytes(ENTROPY_BYTES),
            hostname=sandbox.id,
            token=b"",
            env=tuple(f"{name}={value}" for name, value in environment.items()),
        )
    )


async def _from_checkpoint(sandbox: Sandbox, spec: Spec) -> None:
    raise NotSupported(f"sandbox {spec.id}: this worker makes no sandboxes from checkpoints")


ORIGINS: dict[type[Origin], Callable[[Sandbox, Spec], Awaitable[None]]] = {
    Image: _from_image,
    Checkpoint: _from_checkpoint,
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
    await _release(sandbox, "remove")
    faults.here("remove:disk")
    await sandbox.parts.disks.delete(sandbox.id)
    faults.here("remove:forget")
    await sandbox.forget()
    faults.here("remove:end")


async def _release(sandbox: Sandbox, deed: str) -> None:
    """Gives back what the sandbox holds of the kernel; its disk stays."""
    faults.here(f"{deed}:runtime")
    await sandbox.parts.driver.remove(sandbox.id)
    faults.here(f"{deed}:network")
    await sandbox.parts.network.detach(sandbox.id)
    faults.here(f"{deed}:mount")
    await sandbox.parts.disks.unmount(sandbox.id)


async def lose(sandbox: Sandbox, death: Death) -> None:
    """Records that a running sandbox has died, and of what."""
    record = sandbox.record
    if record is None or record.step is not Step.RUNNING:
        return
    log.warning("sandbox died", sandbox=sandbox.id, reason=death.reason)
    faults.here("lose:record")
    lost = msgspec.structs.replace(record, step=Step.LOST, reason=death.reason, memory_kills=sandbox.memory_kills)
    await sandbox.write(lost)
    await sandbox.disconnect()
    await _release(sandbox, "lose")
    faults.here("lose:end")


# --- adopt -----------------------------------------------------------------------------------------------------------


async def adopt(sandbox: Sandbox) -> None:
    """Goes on with what a former worker left: what runs is kept, what died is lost, the half-made is removed."""
    if sandbox.record is not None:
        await ADOPTIONS[sandbox.record.step](sandbox, sandbox.record)


async def _adopt_running(sandbox: Sandbox, _: Record) -> None:
    death = await sandbox.parts.driver.alive(sandbox.id)
    if death is None and await sandbox.parts.network.address(sandbox.id) is None:
        death = Death("its network is gone")
    if death is not None:
        await lose(sandbox, death)
        return
    try:
        await sandbox.connected(ADOPT_S)
    except Unavailable as error:  # it may be slow, or paused: whoever asks for it later tries again
        log.warning("adopted sandbox does not answer", sandbox=sandbox.id, reason=str(error))


async def _adopt_lost(sandbox: Sandbox, _: Record) -> None:
    await _release(sandbox, "lose")


ADOPTIONS: dict[Step, Callable[[Sandbox, Record], Awaitable[None]]] = {
    Step.MAKING: _dismantle,
    Step.RUNNING: _adopt_running,
    Step.LOST: _adopt_lost,
    Step.REMOVING: _dismantle,
}
