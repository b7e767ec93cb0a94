"""Checkpoints: made, followed, kept within bounds, published, deleted (contract 2.6)."""

from __future__ import annotations

from typing import Any

import msgspec

from oc.model.artifact import Artifact
from oc.model.errors import NotSupported
from tests.integration.server.control import Control, run, until

KEY = {"Idempotency-Key": "attempt-1"}


async def checkpoints(made: Control, id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await made.call("GET", f"/{id}/checkpoints")
    return found


async def settled(made: Control, id: str, status: str) -> dict[str, Any]:
    """The newest one, once it has that status."""

    async def reached() -> bool:
        return bool((await checkpoints(made, id))[0]["status"] == status)

    await until(reached)
    return (await checkpoints(made, id))[0]


def test_checkpoint_is_processed_until_it_is_stored_and_outlives_its_sandbox() -> None:
    async def test(made: Control) -> None:
        made.worker.stores_at_once = False
        id = await made.create(memoryMB=512)
        begun = await made.call("POST", f"/{id}/checkpoints", 201, name="first")
        assert (begun["status"], begun["kind"], begun["sizeBytes"], begun["isPublic"]) == (
            "processing",
            "full",
            0,
            False,
        )
        assert (begun["sandboxId"], begun["sandboxConfig"]["memoryMB"]) == (id, 512)
        assert not {"rootfsS3Key", "errorMsg"} & begun.keys()
        assert made.worker.asked_for("checkpoint") == [{"artifact": begun["id"], "memory": True}]
        made.worker.stored(begun["id"])
        ready = await settled(made, id, "ready")
        assert ready["sizeBytes"] == 1 << 20
        assert ready["rootfsS3Key"]
        assert ready["workspaceS3Key"]
        second = await made.call("POST", f"/{id}/checkpoints", 201, name="second", kind="disk_only")
        assert made.worker.asked_for("checkpoint")[-1]["memory"] is False
        await made.call("DELETE", f"/{id}", 204)
        assert [row["id"] for row in await checkpoints(made, id)] == [second["id"], begun["id"]]

    run(test)


def test_what_it_waits_for_and_why_it_failed_are_told() -> None:
    async def test(made: Control) -> None:
        made.worker.stores_at_once = False
        id = await made.create()
        begun = await made.call("POST", f"/{id}/checkpoints", 201, name="c")

        def becomes(**changes: Any) -> None:
            artifact: Artifact = made.worker.artifacts[begun["id"]]
            made.worker.artifacts[begun["id"]] = msgspec.structs.replace(artifact, **changes)

        becomes(reason="the blob store is away")

        async def waits() -> bool:
            row = (await checkpoints(made, id))[0]
            return (row["status"], row.get("errorMsg")) == ("processing", "the blob store is away")

        await until(waits)
        becomes(state="failed", reason="its files cannot be read")
        failed = await settled(made, id, "failed")
        assert failed["errorMsg"] == "its files cannot be read"
        assert failed["failedAt"]

    run(test)


def test_one_that_has_left_the_host_is_ready() -> None:
    """A small cache may drop an artifact as soon as the blob store has it."""

    async def test(made: Control) -> None:
        made.worker.stores_at_once = False
        id = await made.create()
        begun = await made.call("POST", f"/{id}/checkpoints", 201, name="c")
        del made.worker.artifacts[begun["id"]]
        assert (await settled(made, id, "ready"))["sizeBytes"] > 0

    run(test)


def test_workers_refusal_is_answered_and_leaves_the_name_free() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        made.worker.failures["checkpoint"] = NotSupported("an open connection cannot be saved", hint="close it")
        refused = await made.call("POST", f"/{id}/checkpoints", 501, name="c")
        assert refused["hint"] == "close it"
        failed = (await checkpoints(made, id))[0]
        assert (failed["status"], failed["errorMsg"]) == ("failed", "an open connection cannot be saved")
        made.worker.failures.clear()
        await made.call("POST", f"/{id}/checkpoints", 201, name="c")
        assert await made.status(id) == "running"

    run(test)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "name is required"),
    ({"name": ""}, "name must be 1 to 128"),
    ({"name": "a\nb"}, "name must be 1 to 128"),
    ({"name": "x" * 129}, "name must be 1 to 128"),
    ({"name": "c", "kind": "memory"}, "kind"),
    ({"name": "c", "kind": "disk_only", "promoteToFull": True}, "promoteToFull is not available"),
    ({"name": "c", "retentionPolicy": {"mode": "all"}}, "retentionPolicy.mode"),
    (
        {"name": "c", "retentionPolicy": {"mode": "delete_oldest", "maxCount": 11}},
        "retentionPolicy.maxCount must be",
    ),
    (
        {"name": "c", "retentionPolicy": {"mode": "delete_oldest", "maxCount": 0}},
        "retentionPolicy.maxCount must be",
    ),
]


def test_refusal_names_the_field() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        for body, text in REFUSED:
            refused = await made.call("POST", f"/{id}/checkpoints", 400, **body)
            assert refused["error"].startswith(text)
        assert made.worker.deeds == []

    run(test)


def test_names_are_unique_and_numbers_limited_for_each_kind() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        for number in range(10):
            await made.call("POST", f"/{id}/checkpoints", 201, name=str(number))
        await made.call("POST", f"/{id}/checkpoints", 409, name="3")
        refused = await made.call("POST", f"/{id}/checkpoints", 400, name="one more")
        assert refused["error"] == "maximum 10 full checkpoints per sandbox"
        await made.call("POST", f"/{id}/checkpoints", 201, name="disk", kind="disk_only")
        other = await made.create()
        await made.call("POST", f"/{other}/checkpoints", 201, name="3")

    run(test)


def test_oldest_go_when_a_newer_one_is_saved_but_not_those_that_are_needed() -> None:
    async def test(made: Control) -> None:
        id = await made.create()

        async def create(name: str, status: int = 201, most: int = 2) -> str:
            policy = {"mode": "delete_oldest", "maxCount": most}
            body = {"name": name, "retentionPolicy": policy}
            return str((await made.call("POST", f"/{id}/checkpoints", status, **body)).get("id"))

        async def names() -> list[str]:
            return [row["name"] for row in await checkpoints(made, id)]

        public, patched, forked, plain = [
            await create(name, most=10) for name in ("public", "patched", "forked", "plain")
        ]
        await made.call("POST", f"/checkpoints/{public}/publish")
        await made.call("POST", f"/checkpoints/{patched}/patches", 201, script="true")
        await made.call("POST", f"/from-checkpoint/{forked}", 201)
        made.worker.failures["checkpoint"] = NotSupported("no")
        await create("fails", 501)
        assert "plain" in await names()
        made.worker.failures.clear()
        await create("new")
        assert [name for name in await names() if name != "fails"] == ["new", "forked", "patched", "public"]

        async def gone() -> bool:
            return plain not in made.worker.artifacts

        await until(gone)
        assert {public, patched, forked} <= made.worker.artifacts.keys()

    run(test)


def test_same_key_is_one_checkpoint_also_when_the_first_answer_was_lost() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        made.worker.breaks.add("checkpoint")
        path = f"/sandboxes/{id}/checkpoints"
        assert (await made.api.post(path, json={"name": "c"}, headers=KEY)).status_code == 503
        made.worker.breaks.clear()
        ends = [await made.api.post(path, json={"name": "c"}, headers=KEY) for _ in range(2)]
        assert [end.status_code for end in ends] == [201, 201]
        assert ends[0].text == ends[1].text
        assert made.worker.artifacts.keys() == {ends[0].json()["id"]}

    run(test)


def test_deleted_one_is_gone_and_its_artifact_too() -> None:
    async def test(made: Control) -> None:
        id, other = await made.create(), await made.create()
        checkpoint = (await made.call("POST", f"/{id}/checkpoints", 201, name="c"))["id"]
        await made.call("DELETE", f"/{other}/checkpoints/{checkpoint}", 400)
        await made.call("DELETE", f"/{id}/checkpoints/{checkpoint}", 204)
        await made.call("DELETE", f"/{id}/checkpoints/{checkpoint}", 404)
        assert await checkpoints(made, id) == []
        await made.call("POST", f"/from-checkpoint/{checkpoint}", 404)

        async def gone() -> bool:
            return checkpoint not in made.worker.artifacts

        await until(gone)
        await made.call("POST", f"/{id}/checkpoints", 201, name="c")

    run(test)


def test_patches_are_numbered_listed_and_deleted() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        checkpoint = (await made.call("POST", f"/{id}/checkpoints", 201, name="c"))["id"]
        path = f"/checkpoints/{checkpoint}/patches"
        first, second = [
            (await made.call("POST", path, 201, script=script, description="why"))["patch"] for script in ("a", "b")
        ]
        assert (first["sequence"], first["checkpointId"], first["strategy"]) == (1, checkpoint, "on_wake")
        assert await made.call("GET", path) == [first, second]
        await made.call("DELETE", f"{path}/{second['id']}", 204)
        await made.call("DELETE", f"{path}/{second['id']}", 404)
        assert (await made.call("POST", path, 201, script="c"))["patch"]["sequence"] == 2
        once = [await made.api.post(f"/sandboxes{path}", json={"script": "d"}, headers=KEY) for _ in range(2)]
        assert once[0].text == once[1].text
        assert [row["script"] for row in await made.call("GET", path)] == ["a", "c", "d"]
        for script, status in ((" ", 400), ("a\0b", 400), ("x" * (1 << 17), 413)):
            await made.call("POST", path, status, script=script)

    run(test)
