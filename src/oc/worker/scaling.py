"""The deed that gives a running sandbox another size (contract 2.1.10)."""

from __future__ import annotations

import asyncio

import msgspec
import structlog

from oc.host import threads
from oc.model.errors import BelowUse, Failed, Unavailable
from oc.model.sandbox import Observed, Size
from oc.worker import capacity, faults, saves
from oc.worker.agent.failure import AgentFailed
from oc.worker.agent.link import Link
from oc.worker.sandbox import PATIENCE_S, Sandbox

MEGABYTE = 1 << 20
SPARE = 1.1  # of what it uses: less would be filled before anybody could react

log = structlog.get_logger()


async def resize(sandbox: Sandbox, cpus: float, memory_mb: int) -> Observed:
    """The same size again is no change. When it fails the sandbox is as it was.

    Raises BelowUse, NotSupported, Failed, and Unavailable also when the host has no memory to give.
    """
    record = saves.running(sandbox)
    before = record.spec.size
    size = msgspec.structs.replace(before, cpus=cpus, memory_mb=memory_mb)
    await _check(sandbox, before, size)
    link = await sandbox.connected()
    faults.here("resize:runtime")
    await _set(sandbox, size)
    try:
        faults.here("resize:agent")
        await tell(sandbox, link, size)
        faults.here("resize:record")
        await sandbox.write(msgspec.structs.replace(record, spec=msgspec.structs.replace(record.spec, size=size)))
    except BaseException:
        await _set(sandbox, before)
        raise
    return sandbox.observed()


async def assure(sandbox: Sandbox, size: Size, patience_s: float) -> None:
    """Of one that a former worker may have begun to resize: the record says which size it has.

    Raises NotSupported, Failed and Unavailable.
    """
    await _set(sandbox, size)
    await tell(sandbox, await sandbox.connected(patience_s), size)


async def _check(sandbox: Sandbox, before: Size, size: Size) -> None:
    if size.memory_mb > before.memory_mb:
        capacity.admit(await threads.call(capacity.look, sandbox.parts.pool), size, disk_reserve_mb=0)
    elif size.memory_mb < before.memory_mb:
        await _check_use(sandbox, size)


async def _check_use(sandbox: Sandbox, size: Size) -> None:
    """By the kernel's account: what a sandbox says of itself may be wrong. Where nobody counts nobody is refused."""
    usage = (await sandbox.parts.driver.usage([sandbox.id])).get(sandbox.id)
    if usage is None or usage.memory_bytes * SPARE <= size.memory_mb * MEGABYTE:
        return
    used_mb, least_mb = (-(-int(number) // MEGABYTE) for number in (usage.memory_bytes, usage.memory_bytes * SPARE))
    raise BelowUse(
        f"memory limit below guest working set: sandbox {sandbox.id} uses {used_mb} MB",
        hint=f"it can have {least_mb} MB or more now",
        details=f"asked for {size.memory_mb} MB, uses {used_mb} MB, needs {least_mb} MB",
    )


async def _set(sandbox: Sandbox, size: Size) -> None:
    await sandbox.parts.driver.resize(sandbox.id, cpus=size.cpus, memory_mb=size.memory_mb)


async def tell(sandbox: Sandbox, link: Link, size: Size) -> None:
    """The agent ends programs before the memory runs out, so it must know how much that is.

    Raises Failed and Unavailable.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            known = await link.limit(size.memory_mb)
    except TimeoutError as error:
        raise Unavailable(f"sandbox {sandbox.id} does not answer", hint="try again in a few seconds") from error
    except AgentFailed as error:
        raise Failed(f"sandbox {sandbox.id} does not take its new limit: {error}") from error
    if not known:
        log.warning("the agent is of an old checkpoint and keeps its memory limit", sandbox=sandbox.id)
