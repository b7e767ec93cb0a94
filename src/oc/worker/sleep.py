"""The deed that puts a sandbox to sleep: saved, and gone from this host but for the artifact."""

from __future__ import annotations

from oc.host import threads
from oc.model.artifact import Artifact
from oc.worker import deeds, saves
from oc.worker.sandbox import Sandbox


async def hibernate(sandbox: Sandbox, id: str) -> Artifact:
    """Saves the sandbox and releases all that it held here. Nothing happens in it after what was saved."""
    parts = sandbox.parts
    if await threads.call(parts.shelf.knows, id):
        await deeds.remove(sandbox)
        return await threads.call(parts.shelf.record, id)
    await saves.thaw(sandbox)
    record = saves.running(sandbox)
    async with saves.standing(sandbox):
        artifact = await saves.save(sandbox, record, id, memory=True, stands=True)
        await deeds.remove(sandbox)
    parts.storing.nudge()
    return artifact
