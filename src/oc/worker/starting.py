"""From a disk that is there to a sandbox that answers, and back to nothing but its disk."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from pathlib import Path

from oc.model.errors import Failed
from oc.runtime.driver import Endpoint
from oc.wire.messages import Configure
from oc.worker import faults, scaling
from oc.worker.journal import Record
from oc.worker.sandbox import Sandbox

START_S = 30.0  # from the runtime's word that it runs to its agent's first answer, on a host that is busy
ALIVE_EVERY_S = 0.5
ENTROPY_BYTES = 64


async def boot(sandbox: Sandbox, record: Record, memory: Path | None = None, token: bytes = b"") -> None:
    """Mounts the disk and runs the sandbox; with `memory`, goes on from there.

    A restored agent asks for the `token` that it was saved with, until it is given its own.
    """
    parts = sandbox.parts
    faults.here("create:mount")
    root = await parts.disks.mount(sandbox.id)
    faults.here("create:network")
    attached = await parts.network.attach(sandbox.id, record.spec.governed)
    faults.here("create:runtime")
    netns = None if attached.netns is None else str(attached.netns)
    launch = replace(sandbox.launch(record, attached.address, netns), root=root, memory=memory)
    sandbox.endpoint = await parts.driver.start(replace(launch, token=token or record.token))
    faults.here("create:agent")
    await _answering(sandbox, sandbox.endpoint)
    await _configure(sandbox, record)
    if memory is not None:  # it knows the limits of the sandbox that was saved
        await scaling.tell(sandbox, await sandbox.connected(), record.spec.size)
    sandbox.endpoint = replace(sandbox.endpoint, token=record.token)


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


async def _configure(sandbox: Sandbox, record: Record) -> None:
    environment = {**sandbox.parts.images.environment(), **record.spec.envs}
    link = await sandbox.connected()
    await link.configure(
        Configure(
            time_ns=0,  # runtimes take the host's clock, also when they resume
            entropy=secrets.token_bytes(ENTROPY_BYTES),
            hostname=sandbox.id,
            token=record.token,
            env=tuple(f"{name}={value}" for name, value in environment.items()),
        )
    )


async def release(sandbox: Sandbox, deed: str) -> None:
    """Gives back what the sandbox holds of the kernel; its disk stays."""
    faults.here(f"{deed}:runtime")
    await sandbox.parts.driver.remove(sandbox.id)
    faults.here(f"{deed}:network")
    await sandbox.parts.network.detach(sandbox.id)
    faults.here(f"{deed}:mount")
    await sandbox.parts.disks.unmount(sandbox.id)
