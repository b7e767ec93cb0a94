"""Creating: one sandbox or a clean error, whatever fails (contract 2.1.1, design 2.3)."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from oc.model.errors import Failed, OpenComputerError, Unavailable
from oc.model.sandbox import Image, Size, Status
from tests.integration.server.control import Control, run, server, settings_in, until, workshop
from tests.integration.server.stub import StubWorker, worker_at

SMALL = {"cpuCount": 0.5, "memoryMB": 256}


async def rows(made: Control, status: str = "all") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await made.api.get("/sandboxes", params={"status": status})).json()
    return found


def test_answer_has_what_clients_read_and_the_worker_gets_what_was_asked() -> None:
    async def test(made: Control) -> None:
        body = {**SMALL, "envs": {"A": "1"}, "metadata": {"project": "x"}, "timeout": 300, "templateID": "node"}
        answer = await made.api.post("/sandboxes", json=body)
        assert answer.status_code == 201
        shown = answer.json()
        assert (shown["status"], shown["cpuCount"], shown["memoryMB"], shown["timeout"]) == ("running", 0.5, 256, 300)
        assert (shown["templateID"], shown["metadata"], shown["sandboxDomain"]) == (
            "node",
            {"project": "x"},
            "localhost",
        )
        assert shown["endAt"] is None
        assert "connectURL" not in shown
        assert "token" not in shown
        (spec,) = made.worker.specs
        assert (spec.id, spec.size, spec.envs) == (shown["sandboxID"], Size(0.5, 256, 1024), {"A": "1"})
        assert spec.origin == Image("base")
        assert (await made.api.get(f"/sandboxes/{spec.id}")).json() == shown
        assert await rows(made, "") == [shown]

    run(test)


def test_whole_vcpus_are_integers_for_go_clients() -> None:
    async def test(made: Control) -> None:
        assert '"cpuCount":2,' in (await made.api.post("/sandboxes", json={"cpuCount": 2.0})).text

    run(test)


@pytest.mark.parametrize("headers", [{"Content-Type": "application/json"}, {}])
def test_empty_body_is_fine(headers: dict[str, str]) -> None:
    async def test(made: Control) -> None:
        assert (await made.api.post("/sandboxes", headers=headers)).status_code == 201

    run(test)


def test_body_above_a_megabyte_is_refused() -> None:
    async def test(made: Control) -> None:
        answer = await made.api.post("/sandboxes", json={"metadata": {"a": "x" * (1 << 20)}})
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert made.worker.specs == []

    run(test)


def test_limit_counts_those_being_created() -> None:
    async def test(made: Control) -> None:
        ends = await asyncio.gather(*(made.api.post("/sandboxes") for _ in range(5)))
        assert sorted(end.status_code for end in ends) == [201, 201, 429, 429, 429]
        refused = next(end.json() for end in ends if end.status_code == 429)
        assert (refused["active"], refused["limit"]) == (2, 2)
        assert refused["error"].startswith("concurrent sandbox limit reached (2/2)")

    run(test, max_sandboxes=2)


@pytest.mark.parametrize(
    "refusal", [Failed("runsc: no such thing"), Unavailable("the pool is full", hint="kill something")]
)
def test_workers_refusal_is_passed_on_and_nothing_is_left(refusal: OpenComputerError) -> None:
    async def test(made: Control) -> None:
        made.worker.refusal = refusal
        answer = await made.api.post("/sandboxes")
        assert answer.status_code == refusal.status
        assert answer.json() == refusal.body()
        assert (answer.headers.get("Retry-After") is not None) == (refusal.status == 503)
        (row,) = await rows(made)
        assert (row["status"], row["reason"]) == ("error", refusal.text)
        assert await rows(made, "") == []
        assert made.worker.removed == [row["sandboxID"]]

    run(test)


def test_worker_that_breaks_off_is_unavailable_and_what_it_made_is_removed() -> None:
    async def test(made: Control) -> None:
        made.worker.breaks.add("ensure")
        answer = await made.api.post("/sandboxes")
        assert (answer.status_code, answer.json()["code"]) == (503, "worker_unavailable")
        assert answer.json()["retryable"] is True
        assert answer.headers["Retry-After"] == "2"
        assert made.worker.observed == {}

    run(test)


def test_worker_that_is_away_is_said_so_and_the_rest_goes_on() -> None:
    async def test() -> None:
        async with workshop() as directory, server(settings_in(directory), StubWorker()) as made:
            answer = await made.api.post("/sandboxes")
            assert (answer.status_code, answer.json()["code"]) == (503, "worker_unavailable")
            assert (await made.api.get("/sandboxes")).status_code == 200
            ready = await made.api.get(f"{made.origin}/readyz")
            assert (ready.status_code, ready.json()["database"]) == (503, "ok")
            assert (await made.api.get(f"{made.origin}/healthz")).status_code == 200

    asyncio.run(test())


def test_client_that_leaves_leaves_nothing_behind() -> None:
    async def test(made: Control) -> None:
        made.worker.may["ensure"].clear()
        asking = asyncio.create_task(made.api.post("/sandboxes"))
        await made.worker.asked["ensure"].wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        made.worker.may["ensure"].set()
        id = made.worker.specs[0].id
        async with made.client(made.key) as other:

            async def gone() -> bool:
                row = (await other.get(f"/sandboxes/{id}")).json()
                return "client went away" in (row["reason"] or "") and not made.worker.observed

            await until(gone)

    run(test)


def test_killed_while_it_is_created_stays_killed() -> None:
    async def test(made: Control) -> None:
        made.worker.may["ensure"].clear()
        asking = asyncio.create_task(made.api.post("/sandboxes"))
        await made.worker.asked["ensure"].wait()
        id = made.worker.specs[0].id
        assert (await made.api.delete(f"/sandboxes/{id}")).status_code == 204
        made.worker.may["ensure"].set()
        assert (await asking).status_code == 410
        assert await made.status(id) == "stopped"
        assert made.worker.observed == {}

    run(test)


KEY = {"Idempotency-Key": "attempt-1"}


def test_same_key_is_done_once_and_answered_alike_at_once_and_later() -> None:
    async def test(made: Control) -> None:
        made.worker.may["ensure"].clear()
        asking = [asyncio.create_task(made.api.post("/sandboxes", json=SMALL, headers=KEY)) for _ in range(4)]
        await made.worker.asked["ensure"].wait()
        made.worker.may["ensure"].set()
        ends = [*await asyncio.gather(*asking), await made.api.post("/sandboxes", json=SMALL, headers=KEY)]
        assert {end.status_code for end in ends} == {201}
        assert len({end.text for end in ends}) == 1
        assert len(made.worker.specs) == 1

    run(test)


def test_same_key_with_another_request_is_a_conflict_and_of_another_organization_is_not() -> None:
    async def test(made: Control) -> None:
        await made.api.post("/sandboxes", json=SMALL, headers=KEY)
        reordered = await made.api.post("/sandboxes", content='{"memoryMB": 256, "cpuCount": 0.5}', headers=KEY)
        assert reordered.status_code == 201
        other = await made.api.post("/sandboxes", json={"memoryMB": 512}, headers=KEY)
        assert (other.status_code, other.json()["code"]) == (409, "conflict")
        async with made.client(await made.new_key("others")) as stranger:
            assert (await stranger.post("/sandboxes", json={"memoryMB": 512}, headers=KEY)).status_code == 201
        assert len(made.worker.specs) == 2

    run(test)


def test_failure_is_not_remembered() -> None:
    async def test(made: Control) -> None:
        made.worker.refusal = Failed("not now")
        assert (await made.api.post("/sandboxes", headers=KEY)).status_code == 500
        made.worker.refusal = None
        assert (await made.api.post("/sandboxes", headers=KEY)).status_code == 201

    run(test)


def test_restart_in_the_middle_finishes_what_a_key_will_ask_for_and_removes_the_rest() -> None:
    async def test() -> None:
        stub = StubWorker()
        async with workshop() as directory, worker_at(directory / "worker.sock", stub):
            settings = settings_in(directory)
            async with server(settings, stub) as made:
                begun = await leave_half_done(made)
            stub.may["ensure"].set()
            async with server(settings, stub) as made:
                again = await made.api.post("/sandboxes", headers=KEY)
                assert again.status_code == 201
                assert again.json()["sandboxID"] == begun[KEY["Idempotency-Key"]]

                async def gone() -> bool:
                    return await made.status(begun[""]) == "stopped" and begun[""] not in stub.observed

                await until(gone)
                assert await made.status(begun["attempt-1"]) == "running"

    asyncio.run(test())


async def leave_half_done(made: Control) -> dict[str, str]:
    """Two creates that the server does not live to see the end of; ids by key."""
    made.worker.may["ensure"].clear()
    for headers in ({}, KEY):
        asking = asyncio.create_task(made.api.post("/sandboxes", headers=headers))
        made.worker.asked["ensure"].clear()
        await made.worker.asked["ensure"].wait()
        asking.add_done_callback(lambda task: task.exception())
    await made.plane.changes.close()
    keyless, keyed = (spec.id for spec in made.worker.specs)
    assert [await made.status(id) for id in (keyless, keyed)] == [Status.PENDING] * 2
    return {"": keyless, KEY["Idempotency-Key"]: keyed}


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é"])
def test_unusable_key_is_refused(key: str) -> None:
    async def test(made: Control) -> None:
        headers = httpx.Headers([(b"Idempotency-Key", key.encode())])
        assert (await made.api.post("/sandboxes", headers=headers)).status_code == 400

    run(test)
