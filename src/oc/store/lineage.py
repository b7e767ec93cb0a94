"""What a sandbox came from, and what came from it: its checkpoints, their forks, the forks' checkpoints and so on."""

from __future__ import annotations

import msgspec

from oc.store.checkpoints import Checkpoint, found
from oc.store.database import Database
from oc.store.sandboxes import Sandbox
from oc.store.sandboxes import found as found_sandboxes


class Family(msgspec.Struct):
    """Of one organization. Parents come before their children, older ones before younger ones of the same parent."""

    sandboxes: dict[str, Sandbox]
    checkpoints: dict[str, Checkpoint]
    cut: bool = False  # there are more

    def __len__(self) -> int:
        return len(self.sandboxes) + len(self.checkpoints)


class Lineage:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def around(self, sandbox: Sandbox, most: int) -> Family:
        """At most `most` of them, the nearest."""
        family = await self._above(sandbox, most)
        sandboxes = [sandbox]
        while sandboxes and not family.cut:
            checkpoints = await self._checkpoints(sandbox.org_id, sandboxes, most - len(family) + 1)
            family.cut = len(family) + len(checkpoints) > most
            family.checkpoints |= {row.id: row for row in checkpoints[: most - len(family)]}
            forks = [] if family.cut else await self._forks(sandbox.org_id, checkpoints, most - len(family) + 1)
            sandboxes = [row for row in forks if row.id not in family.sandboxes]
            family.cut |= len(family) + len(sandboxes) > most
            family.sandboxes |= {row.id: row for row in sandboxes[: most - len(family)]}
        return family

    async def _above(self, sandbox: Sandbox, most: int) -> Family:
        """It, and those that it came from. What belongs to others is where the line begins."""
        family = Family({sandbox.id: sandbox}, {})
        at = sandbox
        while at.wish.from_checkpoint is not None and len(family) < most - 1:
            checkpoint = await self._one_checkpoint(at.wish.from_checkpoint)
            if checkpoint is None or checkpoint.org_id != sandbox.org_id or checkpoint.id in family.checkpoints:
                break
            family.checkpoints[checkpoint.id] = checkpoint
            at = found_sandboxes(await self._database.read("sandbox", id=checkpoint.sandbox_id))[0]
            family.sandboxes[at.id] = at
        return Family(dict(reversed(family.sandboxes.items())), dict(reversed(family.checkpoints.items())))

    async def _one_checkpoint(self, id: str) -> Checkpoint | None:
        rows = found(await self._database.read("checkpoint", id=id))
        return rows[0] if rows else None

    async def _checkpoints(self, org_id: str, sandboxes: list[Sandbox], most: int) -> list[Checkpoint]:
        ids = [row.id for row in sandboxes]
        return found(
            await self._database.read("checkpoints_of_sandboxes", org_id=org_id, sandboxes=ids, most=max(most, 0))
        )

    async def _forks(self, org_id: str, checkpoints: list[Checkpoint], most: int) -> list[Sandbox]:
        ids = [row.id for row in checkpoints]
        if not ids:
            return []
        return found_sandboxes(
            await self._database.read("forks_of_checkpoints", org_id=org_id, checkpoints=ids, most=max(most, 0))
        )
