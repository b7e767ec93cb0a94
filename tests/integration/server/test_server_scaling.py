"""Sizes of sandboxes, asked for from outside and inside, kept by a lock, finished after a crash (contract 2.1.10)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from oc.model.errors import BelowUse, Failed, NotSupported
from oc.model.ids import new_uuid
from oc.server.hosts import Used
from oc.server.plane import PERIODS_S
from oc.server.statistics import EVERY_S
from tests.integration.server.control import Control, run, run_across, until


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PERIODS_S, "inside", 0.1)
    monkeypatch.setitem(PERIODS_S, "autoscale", 0.1)


def resized(made: Control) -> list[Any]:
    return [body for verb, _, body in made.worker.deeds if verb == "resize"]


async def sizes(made: Control, id: str) -> tuple[int, float]:
    row = (await made.api.get(f"/sandboxes/{id}")).json()
    return row["memoryMB"], row["cpuCount"]


def test_scale_is_done_recorded_and_answered() -> None:
    async def test(made: Control) -> None:
        id = await made.create(memoryMB=512)
        assert await made.call("POST", f"/{id}/scale", memoryMB=1024) == {
            "sandboxID": id,
            "memoryMB": 1024,
            "cpuPercent": 100,
            "workerID": "oc",
            "migrated": False,
            "ok": True,
            "autoscaleDisabled": False,
        }
        assert (await made.call("POST", f"/{id}/scale", cpuCount=0.5))["cpuPercent"] == 50
        assert resized(made) == [{"cpus": 1.0, "memory_mb": 1024}, {"cpus": 0.5, "memory_mb": 1024}]
        assert await sizes(made, id) == (1024, 0.5)
        events = [event for event in await made.plane.store.events.of(id) if event.type == "sandbox.scaled"]
        assert [event.reason for event in events] == ["1024 MB, 1 CPUs, by client", "1024 MB, 0.5 CPUs, by client"]

    run(test)


def test_a_size_that_cannot_be_is_refused_before_anything_is_done() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        refused = await made.call("POST", f"/{id}/scale", 400)
        assert refused["error"] == "memoryMB is required and must be positive"
        await made.call("POST", f"/{id}/scale", 400, memoryMB=0)
        assert "from 128 to 4096" in (await made.call("POST", f"/{id}/scale", 400, memoryMB=8192))["error"]
        await made.call("DELETE", f"/{id}", 204)
        assert "not running" in (await made.call("POST", f"/{id}/scale", 400, memoryMB=512))["error"]
        for call in ("autoscale", "scaling-lock"):
            await made.call("PUT", f"/{id}/{call}", 410, enabled=False, locked=True)
        assert resized(made) == []

    run(test)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BelowUse("memory limit below guest working set", details="uses 700 MB"), 409, "oom_floor"),
        (NotSupported("gVisor gives it no more"), 501, "not_supported"),
        (Failed("the kernel refuses"), 500, "failed"),
    ],
)
def test_what_the_worker_refuses_changes_nothing(error: Any, status: int, code: str) -> None:
    async def test(made: Control) -> None:
        id = await made.create(memoryMB=1024)
        await made.call("PUT", f"/{id}/autoscale", enabled=True, minMemoryMB=1024, maxMemoryMB=2048)
        made.worker.failures["resize"] = error
        refused = await made.call("POST", f"/{id}/scale", status, memoryMB=512)
        assert (refused["code"], refused.get("details")) == (code, error.details.get("details"))
        assert await sizes(made, id) == (1024, 1)
        assert (await made.call("GET", f"/{id}/autoscale"))["enabled"] is True

    run(test)


def test_one_that_sleeps_is_woken_and_scaled() -> None:
    async def test(made: Control) -> None:
        id = await made.create(memoryMB=512)
        await made.call("POST", f"/{id}/hibernate")
        await made.call("POST", f"/{id}/scale", memoryMB=1024)
        assert (await made.status(id), await sizes(made, id)) == ("running", (1024, 1))
        assert made.worker.specs[-1].size.memory_mb == 512  # it wakes as it went to sleep

    run(test)


def test_a_lock_keeps_the_size_and_ends_autoscaling() -> None:
    async def test(made: Control) -> None:
        id = await made.create(memoryMB=512)
        await made.call("PUT", f"/{id}/autoscale", enabled=True, minMemoryMB=512, maxMemoryMB=1024)
        assert await made.call("GET", f"/{id}/scaling-lock") == {"sandboxID": id, "locked": False}
        assert await made.call("PUT", f"/{id}/scaling-lock", locked=True) == {"sandboxID": id, "locked": True}
        off = {"sandboxID": id, "enabled": False, "minMemoryMB": 0, "maxMemoryMB": 0}
        assert await made.call("GET", f"/{id}/autoscale") == off
        refused = await made.call("POST", f"/{id}/scale", 403, memoryMB=1024)
        assert refused["code"] == "scaling_locked"
        refused = await made.call("PUT", f"/{id}/autoscale", 403, enabled=True, minMemoryMB=512, maxMemoryMB=1024)
        assert refused["code"] == "scaling_locked"
        assert await made.call("PUT", f"/{id}/autoscale", enabled=False) == off
        await made.call("PUT", f"/{id}/scaling-lock", locked=False)
        assert await made.call("GET", f"/{id}/autoscale") == off
        await made.call("POST", f"/{id}/scale", memoryMB=1024)

    run(test)


def test_whoever_chooses_a_size_ends_autoscaling() -> None:
    async def test(made: Control) -> None:
        id = await made.create(memoryMB=512)
        on = {"enabled": True, "minMemoryMB": 512, "maxMemoryMB": 1024}
        assert await made.call("PUT", f"/{id}/autoscale", **on) == {"sandboxID": id, **on}
        assert (await made.call("POST", f"/{id}/scale", memoryMB=1024))["autoscaleDisabled"] is True
        assert (await made.call("GET", f"/{id}/autoscale"))["enabled"] is False
        assert (await made.call("POST", f"/{id}/scale", memoryMB=512))["autoscaleDisabled"] is False

    run(test)


def test_autoscale_follows_use_and_stays_on() -> None:
    async def test(made: Control) -> None:
        id = await made.create(memoryMB=512)
        now = time.time()
        for turn in range(10):
            made.plane.statistics.note([Used(id, float(turn), 500 << 20)], now - (10 - turn) * EVERY_S)
        await made.call("PUT", f"/{id}/autoscale", enabled=True, minMemoryMB=512, maxMemoryMB=2048)

        async def grown() -> bool:
            return (await sizes(made, id))[0] == 1024

        await until(grown)
        assert (await made.call("GET", f"/{id}/autoscale"))["enabled"] is True
        reasons = [event.reason for event in await made.plane.store.events.of(id) if event.type == "sandbox.scaled"]
        assert reasons == ["1024 MB, 1 CPUs, by autoscale"]

    run(test)


def inside(made: Control, id: str, **wanted: Any) -> str:
    request = new_uuid()
    made.worker.scale_requests[request] = {"id": request, "sandbox": id, **wanted}
    return request


async def outcome(made: Control, request: str) -> tuple[int, dict[str, Any]]:
    async def settled() -> bool:
        return request in made.worker.settled

    await until(settled)
    return made.worker.settled[request]


def test_a_program_inside_is_answered_by_the_same_rules() -> None:
    async def test(made: Control) -> None:
        id = await made.create(memoryMB=512)
        scaled = await outcome(made, inside(made, id, memoryMB=1024, cpuCount=0.5))
        assert scaled == (200, {"ok": True, "memoryMB": 1024, "cpuPercent": 50})
        assert await sizes(made, id) == (1024, 0.5)
        status, body = await outcome(made, inside(made, id, memoryMB=1 << 29))
        assert (status, body["code"]) == (400, "bad_request")
        await made.call("PUT", f"/{id}/scaling-lock", locked=True)
        status, body = await outcome(made, inside(made, id, memoryMB=512))
        assert (status, body["code"]) == (403, "scaling_locked")
        assert (await outcome(made, inside(made, "sb-00000000", memoryMB=512)))[0] == 410
        assert await sizes(made, id) == (1024, 0.5)

    run(test)


@pytest.mark.parametrize("obeyed", [True, False])
def test_a_scale_that_a_crash_has_cut_short_is_finished(obeyed: bool) -> None:
    ids: list[str] = []

    async def first(made: Control) -> None:
        ids.append(await made.create(memoryMB=512))
        made.worker.may["resize"].clear()
        asking = asyncio.create_task(made.api.post(f"/sandboxes/{ids[0]}/scale", json={"memoryMB": 1024}))
        await made.worker.asked["resize"].wait()
        await made.plane.changes.close()
        await asyncio.gather(asking, return_exceptions=True)

    async def between(made: Control) -> None:
        if not obeyed:
            made.worker.failures["resize"] = Failed("not heard")
        made.worker.may["resize"].set()

        async def idle() -> bool:
            return made.worker.working == 0

        await until(idle)
        made.worker.failures.clear()

    async def second(made: Control) -> None:
        async def done() -> bool:
            return await sizes(made, ids[0]) == (1024, 1)

        await until(done)
        assert resized(made)[-1] == {"cpus": 1.0, "memory_mb": 1024}
        await made.call("POST", f"/{ids[0]}/hibernate")

    run_across(first, between, second)


def test_what_can_no_longer_be_after_a_crash_is_given_up() -> None:
    async def test(made: Control) -> None:
        id = await made.create(memoryMB=1024)
        made.worker.breaks.add("resize")
        assert (await made.call("POST", f"/{id}/scale", 503, memoryMB=512))["code"] == "worker_unavailable"
        made.worker.failures["resize"] = BelowUse("it uses more by now")
        made.worker.breaks.clear()

        async def settled() -> bool:
            row = await made.plane.store.sandboxes.get(id)
            return row is not None and row.scaling is None

        await until(settled)
        assert await sizes(made, id) == (1024, 1)

    run(test)
