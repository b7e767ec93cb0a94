"""The deed that puts a sandbox to sleep: saved, and gone from this host but for the artifact."""

from __future__ import annotations

from oc.host import threads
from oc.model.artifact import Artifact
from oc.worker import deeds, saves
from oc.worker.sandbox import Sandbox


async def hibernate(sandbox: Sandbox, id: str) -> Artifact:
    """Saves the sandbox and releases all that it held here."""
    parts = sandbox.parts
    if await threads.call(parts.shelf.knows, id):
        artifact = await threads.call(parts.shelf.record, id)
    else:
        await saves.thaw(sandbox)
        artifact = await saves.save(sandbox, saves.running(sandbox), id, memory=True)
    await deeds.remove(sandbox)
    parts.storing.nudge()
    return artifact
