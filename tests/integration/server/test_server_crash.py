"""The server dies in the middle of each deed of time travel; the next one ends it as its client was told.

Whether the worker has heard of it by then, and goes on without it, must make no difference.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from oc.model.errors import Failed
from oc.model.sandbox import Checkpoint
from oc.server.plane import PERIODS_S
from oc.store.sandboxes import Tier
from tests.integration.server.control import Control, run_across, until

KEY = {"Idempotency-Key": "attempt-1"}
HEARD = pytest.mark.parametrize("heard", [True, False])


@dataclass
class Crash:
    """A server's death while the worker is asked for `verb`; `heard`: the worker obeys all the same."""

    verb: str
    heard: bool
    notes: dict[str, str] = field(default_factory=dict)

    async def amid(self, made: Control, request: Awaitable[Any] | None = None) -> None:
        """Returns when the server is dead and the worker has done with what it was asked."""
        asking = asyncio.ensure_future(request) if request is not None else None
        await made.worker.asked[self.verb].wait()
        await made.plane.patching.close()
        await made.plane.changes.close()
        if asking is not None:
            await asyncio.gather(asking, return_exceptions=True)

    def hold(self, made: Control) -> None:
        made.worker.asked[self.verb].clear()
        made.worker.may[self.verb].clear()

    async def let_go(self, made: Control) -> None:
        worker = made.worker
        if not self.heard:
            worker.failures[self.verb] = Failed("not heard")
        worker.may[self.verb].set()

        async def idle() -> bool:
            return worker.working == 0

        await until(idle)
        worker.failures.clear()


Stage = Callable[[Control, Crash], Awaitable[None]]


def crash_and_restart(crash: Crash, before: Stage, after: Stage, **settings: Any) -> None:
    async def first(made: Control) -> None:
        await before(made, crash)

    async def between(made: Control) -> None:
        await crash.let_go(made)

    async def second(made: Control) -> None:
        await after(made, crash)

    run_across(first, between, second, **settings)


async def reached(made: Control, id: str, status: str) -> None:
    async def there() -> bool:
        return await made.status(id) == status

    await until(there)


@HEARD
def test_hibernate(heard: bool) -> None:
    async def before(made: Control, crash: Crash) -> None:
        crash.notes["id"] = id = await made.create()
        crash.hold(made)
        await crash.amid(made, made.api.post(f"/sandboxes/{id}/hibernate"))

    async def after(made: Control, crash: Crash) -> None:
        id = crash.notes["id"]
        await reached(made, id, "hibernated")

        async def frozen() -> bool:
            return made.worker.observed[id].state == "frozen"

        await until(frozen)
        await made.call("POST", f"/{id}/exec/run", cmd="true")

    crash_and_restart(Crash("freeze", heard), before, after)


@HEARD
@pytest.mark.parametrize("waits", [True, False])
def test_storing(heard: bool, waits: bool) -> None:
    """`waits`: until the next server has stored it; otherwise it is woken amid that."""

    async def before(made: Control, crash: Crash) -> None:
        crash.notes["id"] = id = await made.create()
        crash.hold(made)
        await made.call("POST", f"/{id}/hibernate")
        await crash.amid(made)

    async def after(made: Control, crash: Crash) -> None:
        id = crash.notes["id"]

        async def stored() -> bool:
            row = await made.plane.store.sandboxes.get(id)
            return row is not None and row.tier is Tier.STORED

        if waits:
            await until(stored)
        await made.call("POST", f"/{id}/exec/run", cmd="true")
        (artifact,) = made.worker.artifacts
        assert made.worker.specs[-1].origin == Checkpoint(artifact, memory=True)
        assert {body["artifact"] for body in made.worker.asked_for("hibernate")} == {artifact}

    crash_and_restart(Crash("hibernate", heard), before, after, freeze_seconds=0)


@HEARD
def test_wake(heard: bool) -> None:
    async def before(made: Control, crash: Crash) -> None:
        crash.notes["id"] = id = await made.create()
        await made.call("POST", f"/{id}/hibernate")

        async def gone() -> bool:
            return id not in made.worker.observed

        await until(gone)
        crash.hold(made)
        await crash.amid(made, made.api.post(f"/sandboxes/{id}/wake"))

    async def after(made: Control, crash: Crash) -> None:
        id = crash.notes["id"]
        await reached(made, id, "running")
        assert made.worker.observed[id].state == "running"
        (artifact,) = made.worker.artifacts
        assert {spec.origin for spec in made.worker.specs[1:]} == {Checkpoint(artifact, memory=True)}

    crash_and_restart(Crash("ensure", heard), before, after, freeze_seconds=0)


@HEARD
@pytest.mark.parametrize("keyed", [True, False])
def test_checkpoint(heard: bool, keyed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever will ask again gets it; what nobody was told of fails, and what the worker makes of it late goes too."""
    monkeypatch.setattr("oc.server.loops.artifacts.ORPHAN_S", 0.0)
    monkeypatch.setitem(PERIODS_S, "orphans", 0.1)
    headers = KEY if keyed else {}

    async def before(made: Control, crash: Crash) -> None:
        crash.notes["id"] = id = await made.create()
        crash.hold(made)
        await crash.amid(made, made.api.post(f"/sandboxes/{id}/checkpoints", json={"name": "c"}, headers=headers))

    async def after(made: Control, crash: Crash) -> None:
        id = crash.notes["id"]
        if keyed:
            again = await made.api.post(f"/sandboxes/{id}/checkpoints", json={"name": "c"}, headers=KEY)
            assert again.status_code == 201

        async def settled() -> bool:
            statuses = [row["status"] for row in await made.call("GET", f"/{id}/checkpoints")]
            return statuses == ["ready" if keyed else "failed"] and len(made.worker.artifacts) == int(keyed)

        await until(settled)
        assert len({body["artifact"] for body in made.worker.asked_for("checkpoint")}) == 1
        assert await made.status(id) == "running"

    crash_and_restart(Crash("checkpoint", heard), before, after)


@HEARD
def test_restore(heard: bool) -> None:
    """It was promised: it is done before anything else is, and not again after that, by whoever has an old row."""

    async def before(made: Control, crash: Crash) -> None:
        crash.notes["id"] = id = await made.create()
        crash.notes["checkpoint"] = checkpoint = await made.checkpoint(id)
        crash.hold(made)
        await made.call("POST", f"/{id}/checkpoints/{checkpoint}/restore")
        await crash.amid(made)

    async def after(made: Control, crash: Crash) -> None:
        id = crash.notes["id"]
        await made.call("POST", f"/{id}/exec/run", cmd="true")
        asked = made.worker.asked_for("restore")
        assert len(asked) >= 2
        assert all(body == {"artifact": crash.notes["checkpoint"], "memory": True} for body in asked)
        assert (await made.call("GET", f"/{id}"))["restoreError"] is None
        row = await made.plane.store.sandboxes.get(id)
        assert row is not None
        await made.plane.restores.finish(msgspec.structs.replace(row, restoring=crash.notes["checkpoint"]))
        assert made.worker.asked_for("restore") == asked

    crash_and_restart(Crash("restore", heard), before, after)


@HEARD
@pytest.mark.parametrize("keyed", [True, False])
def test_forks(heard: bool, keyed: bool) -> None:
    headers = KEY if keyed else {}

    async def before(made: Control, crash: Crash) -> None:
        id = await made.create()
        crash.notes["checkpoint"] = checkpoint = (await made.call("POST", f"/{id}/checkpoints", 201, name="c"))["id"]
        await made.call("POST", f"/checkpoints/{checkpoint}/patches", 201, script="once")
        crash.hold(made)
        path = f"/sandboxes/from-checkpoint/{checkpoint}"
        await crash.amid(made, made.api.post(path, json={"count": 2}, headers=headers))

    async def after(made: Control, crash: Crash) -> None:
        if keyed:
            path = f"/sandboxes/from-checkpoint/{crash.notes['checkpoint']}"
            again = await made.api.post(path, json={"count": 2}, headers=KEY)
            assert again.status_code == 201
            made_of_it = {fork["sandboxID"] for fork in again.json()}
            assert {id for id, _ in made.worker.scripts} == made_of_it
            assert len(made.worker.scripts) == len(made_of_it) == 2

        async def settled() -> bool:
            running = {row["sandboxID"] for row in await made.call("GET", "?status=running")}
            rest = await made.call("GET", "?status=pending")
            return not rest and running == made.worker.observed.keys() and len(running) == (3 if keyed else 1)

        await until(settled)

    crash_and_restart(Crash("ensure", heard), before, after)
