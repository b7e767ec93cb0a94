"""Hibernate, wake, restore, reboot (contract 2.1.6 to 2.1.9, 2.6.3, 4.2)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from oc.model.errors import Failed, NotSupported, OpenComputerError, Unavailable
from oc.model.sandbox import Checkpoint
from oc.store.sandboxes import Tier
from tests.integration.server.control import Control, run, until

ROUTED: tuple[tuple[str, str, dict[str, Any], int], ...] = (
    ("POST", "/exec/run", {"cmd": "true"}, 200),
    ("GET", "/exec", {}, 200),
    ("GET", "/files?path=/a", {}, 200),
    ("POST", "/timeout", {"timeout": 60}, 204),
    ("POST", "/checkpoints", {"name": "c"}, 201),
    ("POST", "/reboot", {}, 204),
    ("POST", "/power-cycle", {}, 204),
    ("POST", "/wake", {}, 200),
)


async def tier(made: Control, id: str) -> Tier | None:
    row = await made.plane.store.sandboxes.get(id)
    assert row is not None
    return row.tier


async def stored(made: Control, id: str) -> str:
    """Hibernates it and waits until its host has nothing of it; returns its artifact."""
    await made.call("POST", f"/{id}/hibernate")

    async def away() -> bool:
        return await tier(made, id) is Tier.STORED

    await until(away)
    row = await made.plane.store.sandboxes.get(id)
    assert row is not None
    assert row.hibernation is not None
    return row.hibernation


def test_hibernated_is_said_at_once_and_again() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        first = await made.call("POST", f"/{id}/hibernate")
        assert (first["sandboxID"], first["status"], first["sizeBytes"]) == (id, "hibernated", 0)
        assert made.worker.observed[id].state == "frozen"
        again = await made.call("POST", f"/{id}/hibernate")
        assert again == first | {"message": "already hibernated"}
        assert len(made.worker.asked_for("freeze")) == 1
        assert await made.status(id) == "hibernated"
        assert [row["sandboxID"] for row in await made.call("GET", "")] == [id]

    run(test)


def test_size_is_known_once_it_is_stored() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        artifact = await stored(made, id)
        assert id not in made.worker.observed

        async def sized() -> bool:
            return bool((await made.call("POST", f"/{id}/hibernate"))["sizeBytes"] == 1 << 20)

        await until(sized)
        assert artifact in (await made.call("POST", f"/{id}/hibernate"))["hibernationKey"]

    run(test, freeze_seconds=0)


async def use(made: Control, id: str, method: str, path: str, body: dict[str, Any], status: int) -> None:
    answer = await made.api.request(method, f"/sandboxes/{id}{path}", json=body or None)
    assert answer.status_code == status, f"{path}: {answer.text}"
    assert await made.status(id) == "running"
    assert made.worker.observed[id].state == "running"


def test_every_routed_call_wakes_a_frozen_one() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        for call in ROUTED:
            await made.call("POST", f"/{id}/hibernate")
            await use(made, id, *call)
        assert len(made.worker.specs) == 1 + len(ROUTED)
        assert all(spec == made.worker.specs[0] for spec in made.worker.specs)

    run(test)


def test_every_routed_call_wakes_a_stored_one_from_its_artifact() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        for call in ROUTED:
            artifact = await stored(made, id)
            await use(made, id, *call)
            assert made.worker.specs[-1].origin == Checkpoint(artifact, memory=True)
        assert len(made.worker.specs) == 1 + len(ROUTED)

    run(test, freeze_seconds=0)


def test_calls_at_once_share_one_wake_and_all_are_answered() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        await made.call("POST", f"/{id}/hibernate")
        made.worker.may["ensure"].clear()
        made.worker.asked["ensure"].clear()
        asking = [asyncio.create_task(made.call("POST", f"/{id}/exec/run", cmd="true")) for _ in range(5)]
        await made.worker.asked["ensure"].wait()
        assert await made.status(id) == "hibernated"
        made.worker.may["ensure"].set()
        assert [end["stdout"] for end in await asyncio.gather(*asking)] == ["out"] * 5
        assert len(made.worker.specs) == 2

    run(test)


def test_call_that_comes_while_it_falls_asleep_wakes_it_after_that() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        made.worker.may["freeze"].clear()
        sleeping = asyncio.create_task(made.call("POST", f"/{id}/hibernate"))
        await made.worker.asked["freeze"].wait()
        using = asyncio.create_task(made.call("POST", f"/{id}/exec/run", cmd="true"))
        await made.api.get("/whoami")
        made.worker.may["freeze"].set()
        assert (await sleeping)["status"] == "hibernated"
        assert (await using)["stdout"] == "out"
        assert made.worker.observed[id].state == "running"

    run(test)


def test_wake_sets_the_timeout_and_a_routed_call_keeps_it() -> None:
    async def test(made: Control) -> None:
        id = await made.create(timeout=300)
        await made.call("POST", f"/{id}/hibernate")
        await made.call("GET", f"/{id}/exec")
        assert (await made.call("GET", f"/{id}"))["timeout"] == 300
        await made.call("POST", f"/{id}/hibernate")
        woken = await made.call("POST", f"/{id}/wake", timeout=60)
        assert (woken["status"], woken["timeout"]) == ("running", 60)
        assert (await made.call("POST", f"/{id}/wake"))["timeout"] == 0
        await made.call("POST", f"/{id}/wake", 400, timeout=-1)

    run(test)


def test_sleepers_do_not_count_and_a_wake_past_the_limit_is_refused() -> None:
    async def test(made: Control) -> None:
        first = await made.create()
        await made.call("POST", f"/{first}/hibernate")
        second = await made.create()
        refused = await made.call("POST", f"/{first}/exec/run", 429, cmd="true")
        assert (refused["active"], refused["limit"]) == (1, 1)
        assert await made.status(first) == "hibernated"
        await made.call("DELETE", f"/{second}", 204)
        await made.call("POST", f"/{first}/exec/run", cmd="true")

    run(test, max_sandboxes=1)


@pytest.mark.parametrize(
    ("failure", "status", "text"),
    [
        (Failed("runsc: bad image"), 502, "sandbox {id}: failed to wake: runsc: bad image"),
        (Unavailable("the host is out of memory"), 503, "the host is out of memory"),
    ],
)
def test_wake_that_fails_says_why_and_may_be_tried_again(failure: OpenComputerError, status: int, text: str) -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        await stored(made, id)
        made.worker.refusal = failure
        refused = await made.call("POST", f"/{id}/exec/run", status, cmd="true")
        assert refused["error"] == text.format(id=id)
        assert await made.status(id) == "hibernated"
        made.worker.refusal = None
        await made.call("POST", f"/{id}/exec/run", cmd="true")

    run(test, freeze_seconds=0)


def test_nobody_waits_longer_than_the_contract_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oc.server.gate.WAKE_S", 0.1)

    async def test(made: Control) -> None:
        id = await made.create()
        await made.call("POST", f"/{id}/hibernate")
        made.worker.may["ensure"].clear()
        refused = await made.call("POST", f"/{id}/exec/run", 502, cmd="true")
        assert refused["error"].startswith(f"sandbox {id}: failed to wake: it has taken longer")
        made.worker.may["ensure"].set()

        async def awake() -> bool:
            return await made.status(id) == "running"

        await until(awake)

    run(test)


def test_frozen_one_that_died_is_an_error_and_never_made_anew() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        await made.call("POST", f"/{id}/hibernate")
        del made.worker.observed[id]
        await made.call("POST", f"/{id}/exec/run", 410, cmd="true")
        assert await made.status(id) == "error"
        assert len(made.worker.specs) == 1

    run(test)


def test_one_that_cannot_be_hibernated_runs_on() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        made.worker.failures["freeze"] = NotSupported("not on this host")
        refused = await made.call("POST", f"/{id}/hibernate", 501)
        assert refused["error"] == "not on this host"
        assert await made.status(id) == "running"

    run(test)


def test_old_hibernations_go_when_the_next_is_stored_and_the_last_at_the_kill() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        first = await stored(made, id)
        await made.call("POST", f"/{id}/wake")
        assert first in made.worker.artifacts
        second = await stored(made, id)

        async def only_second() -> bool:
            return made.worker.artifacts.keys() == {second}

        await until(only_second)
        await made.call("DELETE", f"/{id}", 204)

        async def nothing() -> bool:
            return not made.worker.artifacts

        await until(nothing)

    run(test, freeze_seconds=0)


def test_killed_while_it_wakes_stays_killed() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        await made.call("POST", f"/{id}/hibernate")
        made.worker.may["ensure"].clear()
        made.worker.asked["ensure"].clear()
        asking = asyncio.create_task(made.call("POST", f"/{id}/exec/run", 410, cmd="true"))
        await made.worker.asked["ensure"].wait()
        await made.call("DELETE", f"/{id}", 204)
        made.worker.may["ensure"].set()
        await asking
        assert await made.status(id) == "stopped"
        assert made.worker.observed == {}

    run(test)


def test_restore_is_answered_at_once_and_waited_for_by_what_comes_later() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        checkpoint = await made.checkpoint(id)
        made.worker.may["restore"].clear()
        answer = await made.call("POST", f"/{id}/checkpoints/{checkpoint}/restore")
        assert answer == {"sandboxId": id, "checkpointId": checkpoint, "status": "restoring"}
        using = asyncio.create_task(made.call("POST", f"/{id}/exec/run", cmd="true"))
        assert await made.status(id) == "running"
        await made.worker.asked["restore"].wait()
        assert made.worker.seen == []
        made.worker.may["restore"].set()
        assert (await using)["stdout"] == "out"
        assert made.worker.asked_for("restore") == [{"artifact": checkpoint, "memory": True}]

    run(test)


def test_restore_that_fails_is_told_and_the_sandbox_goes_on() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        checkpoint = await made.checkpoint(id, kind="disk_only")
        made.worker.failures["restore"] = Failed("chunk is damaged")
        await made.call("POST", f"/{id}/checkpoints/{checkpoint}/restore")
        await made.call("POST", f"/{id}/exec/run", cmd="true")
        assert (await made.call("GET", f"/{id}"))["restoreError"] == "chunk is damaged"
        told = (await made.plane.store.events.of(id))[-1]
        assert (told.type, told.reason) == ("sandbox.restore.failed", "chunk is damaged")
        made.worker.failures.clear()
        await made.call("POST", f"/{id}/checkpoints/{checkpoint}/restore")
        await made.call("POST", f"/{id}/exec/run", cmd="true")
        assert (await made.call("GET", f"/{id}"))["restoreError"] is None
        assert made.worker.asked_for("restore")[-1]["memory"] is False

    run(test)


def test_restore_is_of_a_ready_checkpoint_of_this_sandbox() -> None:
    async def test(made: Control) -> None:
        made.worker.stores_at_once = False
        id, other = await made.create(), await made.create()
        checkpoint = (await made.call("POST", f"/{id}/checkpoints", 201, name="c"))["id"]
        await made.call("POST", f"/{other}/checkpoints/{checkpoint}/restore", 400)
        refused = await made.call("POST", f"/{id}/checkpoints/{checkpoint}/restore", 400)
        assert "processing" in refused["error"]
        assert made.worker.asked_for("restore") == []

    run(test)


def test_reboot_fails_as_the_worker_says() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        made.worker.failures["reboot"] = Failed("no")
        await made.call("POST", f"/{id}/reboot", 500)
        assert await made.status(id) == "running"

    run(test)
