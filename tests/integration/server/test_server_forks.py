"""Forks of checkpoints, and the patches that run in them (contract 2.6.4, 2.7)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from oc.model.errors import Failed
from oc.model.sandbox import Checkpoint
from tests.integration.server.control import Control, run, until

KEY = {"Idempotency-Key": "attempt-1"}


async def saved(made: Control, **body: Any) -> str:
    """A checkpoint of a new sandbox."""
    id = await made.create(memoryMB=512, envs={"A": "1", "B": "1"}, metadata={"m": "1"})
    return str((await made.call("POST", f"/{id}/checkpoints", 201, name="c", **body))["id"])


async def patch(made: Control, checkpoint: str, script: str) -> None:
    await made.call("POST", f"/checkpoints/{checkpoint}/patches", 201, script=script)


def test_fork_has_what_the_checkpoint_had_and_what_was_asked_for() -> None:
    async def test(made: Control) -> None:
        checkpoint = await saved(made)
        body = {"envs": {"B": "2"}, "metadata": {"n": "2"}, "timeout": 30, "memoryMB": 1024}
        fork = await made.call("POST", f"/from-checkpoint/{checkpoint}", 201, **body)
        assert (fork["status"], fork["fromCheckpointId"], fork["timeout"]) == ("running", checkpoint, 30)
        assert (fork["metadata"], fork["memoryMB"]) == ({"n": "2"}, 1024)
        spec = made.worker.specs[-1]
        assert (spec.id, spec.origin) == (fork["sandboxID"], Checkpoint(checkpoint, memory=True))
        assert (spec.envs, spec.size.memory_mb) == ({"A": "1", "B": "2"}, 1024)
        plain = await made.call("POST", f"/from-checkpoint/{checkpoint}", 201)
        assert (plain["timeout"], plain["metadata"], plain["memoryMB"]) == (0, {"m": "1"}, 512)
        less, more = [
            await made.call("POST", f"/from-checkpoint/{checkpoint}", 201, memoryMB=size) for size in (128, 1 << 20)
        ]
        assert (less["memoryMB"], more["memoryMB"]) == (512, 4096)

    run(test)


def test_disk_only_boots() -> None:
    async def test(made: Control) -> None:
        checkpoint = await saved(made, kind="disk_only")
        await made.call("POST", f"/from-checkpoint/{checkpoint}", 201)
        assert made.worker.specs[-1].origin == Checkpoint(checkpoint, memory=False)

    run(test)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"secretStore": "vault"}, "secret store not found: vault"),
    ({"count": 0}, "count must be from 1 to 50"),
    ({"count": 51}, "count must be from 1 to 50"),
    ({"timeout": -1}, "timeout must be non-negative"),
    ({"envs": {"A=B": "x"}}, "envs: 'A=B' cannot name a variable"),
]


def test_refusal_names_the_field() -> None:
    async def test(made: Control) -> None:
        checkpoint = await saved(made)
        for body, text in REFUSED:
            refused = await made.call("POST", f"/from-checkpoint/{checkpoint}", 400, **body)
            assert refused["error"].startswith(text)
        assert len(made.worker.specs) == 1

    run(test)


async def being_saved(made: Control, monkeypatch: pytest.MonkeyPatch) -> str:
    """A checkpoint that the worker is not done with."""
    monkeypatch.setattr("oc.server.checkpointing.ANSWER_S", 0.05)
    made.worker.may["checkpoint"].clear()
    return await saved(made)


def test_fork_does_not_wait_for_the_blob_store() -> None:
    async def test(made: Control) -> None:
        made.worker.stores_at_once = False
        checkpoint = await saved(made)
        assert (await made.call("POST", f"/from-checkpoint/{checkpoint}", 201))["status"] == "running"

    run(test)


def test_fork_waits_for_a_checkpoint_that_is_being_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(made: Control) -> None:
        checkpoint = await being_saved(made, monkeypatch)
        asking = asyncio.create_task(made.call("POST", f"/from-checkpoint/{checkpoint}", 201))
        await made.api.get("/whoami")  # an answer later the fork waits still
        assert not asking.done()
        made.worker.may["checkpoint"].set()
        assert (await asking)["status"] == "running"

    run(test)


def test_checkpoint_that_does_not_get_ready_in_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oc.server.checkpointing.READY_S", 0.2)

    async def test(made: Control) -> None:
        checkpoint = await being_saved(made, monkeypatch)
        refused = await made.call("POST", f"/from-checkpoint/{checkpoint}", 400)
        assert "is not ready after" in refused["error"]
        assert "(status: processing)" in refused["error"]
        made.worker.may["checkpoint"].set()

    run(test)


def test_several_at_once_are_an_array_and_all_or_none() -> None:
    async def test(made: Control) -> None:
        checkpoint = await saved(made)
        forks = await made.call("POST", f"/from-checkpoint/{checkpoint}", 201, count=3)
        assert len({fork["sandboxID"] for fork in forks}) == 3
        assert len(await made.call("POST", f"/from-checkpoint/{checkpoint}", 201, count=1)) == 1
        await made.call("POST", f"/from-checkpoint/{checkpoint}", 429, count=4)
        assert len(made.worker.specs) == 5
        made.worker.refusal = Failed("no room")
        await made.call("POST", f"/from-checkpoint/{checkpoint}", 500, count=2)
        assert len(await made.call("GET", "")) == 5
        assert len(made.worker.observed) == 5

    run(test, max_sandboxes=8)


def test_same_key_makes_the_same_forks() -> None:
    async def test(made: Control) -> None:
        checkpoint = await saved(made)
        path = f"/sandboxes/from-checkpoint/{checkpoint}"
        ends = [await made.api.post(path, json={"count": 2}, headers=KEY) for _ in range(2)]
        assert ends[0].text == ends[1].text
        assert len(made.worker.specs) == 3

    run(test)


def test_patches_run_in_order_before_the_answer() -> None:
    async def test(made: Control) -> None:
        checkpoint = await saved(made)
        for script in ("first", "second"):
            await patch(made, checkpoint, script)
        fork = await made.call("POST", f"/from-checkpoint/{checkpoint}", 201)
        assert made.worker.scripts == [(fork["sandboxID"], "first"), (fork["sandboxID"], "second")]
        assert fork["patchError"] is None

    run(test)


def test_patch_that_fails_ends_them_is_told_and_is_tried_at_the_next_wake() -> None:
    async def test(made: Control) -> None:
        checkpoint = await saved(made)
        for script in ("fine", "bad", "last"):
            await patch(made, checkpoint, script)
        made.worker.exits["bad"] = (7, "no such package")
        id = (await made.call("POST", f"/from-checkpoint/{checkpoint}", 201))["sandboxID"]
        shown = await made.call("GET", f"/{id}")
        assert shown["patchError"] == "patch seq 2 failed: exit code 7 — no such package"
        assert shown["status"] == "running"
        made.worker.exits.clear()
        await made.call("POST", f"/{id}/hibernate")
        await made.call("POST", f"/{id}/exec/run", cmd="true")

        async def patched() -> bool:
            cleared = (await made.call("GET", f"/{id}"))["patchError"] is None
            return cleared and [script for _, script in made.worker.scripts] == ["fine", "bad", "bad", "last"]

        await until(patched)

    run(test)


def test_patches_of_others_run_in_a_fork_and_not_at_its_wakes() -> None:
    async def test(made: Control) -> None:
        checkpoint = await saved(made)
        await made.call("POST", f"/checkpoints/{checkpoint}/publish")
        await patch(made, checkpoint, "known")
        async with made.client(await made.new_key("strangers")) as stranger:
            id = (await stranger.post(f"/sandboxes/from-checkpoint/{checkpoint}")).json()["sandboxID"]
            await patch(made, checkpoint, "later")
            await stranger.post(f"/sandboxes/{id}/hibernate")
            assert (await stranger.post(f"/sandboxes/{id}/exec/run", json={"cmd": "true"})).status_code == 200
        await made.plane.patching.close()
        assert made.worker.scripts == [(id, "known")]

    run(test)


def test_artifact_of_a_deleted_checkpoint_stays_while_a_fork_is_made_of_it() -> None:
    async def test(made: Control) -> None:
        checkpoint = await saved(made)
        origin = made.worker.specs[0].id
        made.worker.may["ensure"].clear()
        made.worker.asked["ensure"].clear()
        asking = asyncio.create_task(made.call("POST", f"/from-checkpoint/{checkpoint}", 201))
        await made.worker.asked["ensure"].wait()
        await made.call("DELETE", f"/{origin}/checkpoints/{checkpoint}", 204)
        assert await made.plane.store.artifacts.unneeded() == []
        made.worker.may["ensure"].set()
        assert (await asking)["fromCheckpointId"] == checkpoint

        async def gone() -> bool:
            return checkpoint not in made.worker.artifacts

        await until(gone)

    run(test)
