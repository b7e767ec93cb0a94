"""What each state allows, for each call of the table; and that an organization sees only what is its own."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from oc.api.calls import CALLS, Call, Kind
from oc.model.sandbox import Status
from tests.integration.server.control import Control, run, until

ABOUT_ONE = [call for call in CALLS if "{id}" in call.path]
INSIDE = [call for call in ABOUT_ONE if call.kind is not Kind.OWN or call.name == "setTimeout"]
POWER = [
    call
    for call in CALLS
    if call.name in {"hibernateSandbox", "wakeSandbox", "rebootSandbox", "powerCycleSandbox", "createCheckpoint"}
]
OF_CHECKPOINT = [call for call in CALLS if "/checkpoints/{checkpoint}" in call.path or call.name == "forkCheckpoint"]
SESSION = "01234567"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def ask(api: httpx.AsyncClient, call: Call, id: str, checkpoint: str = UNKNOWN) -> httpx.Response:
    names = {"session": SESSION, "checkpoint": checkpoint, "patch": UNKNOWN, "port": 80, "store": UNKNOWN, "name": "X"}
    path = call.path.format(id=id, **names)
    body = {"cmd": "true", "timeout": 5, "name": "x", "script": "true", "port": 80}
    return await api.request(call.method, path, params={"path": "/x"}, json=body)


async def ask_all(api: httpx.AsyncClient, calls: list[Call], id: str) -> dict[str, tuple[int, str]]:
    """Status and text of each, by name of the call. The attach call is asked as what it is by test_server_channel."""
    named = [call for call in calls if call.kind is not Kind.CHANNEL]
    ends = [await ask(api, call, id) for call in named]
    return {call.name: (end.status_code, end.json()["error"]) for call, end in zip(named, ends, strict=True)}


async def refused_power(made: Control, id: str) -> set[int]:
    """What the contract has 400 for where it does not run (2.1.6, 2.1.7, 2.1.9, 2.6.1)."""
    return {status for status, _ in (await ask_all(made.api, POWER, id)).values()}


def test_no_call_shows_or_changes_what_belongs_to_others() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        async with made.client(await made.new_key("strangers")) as stranger:
            assert {status for status, _ in (await ask_all(stranger, ABOUT_ONE, id)).values()} == {404}
            assert (await stranger.get("/sandboxes")).json() == []
            assert (await stranger.get("/whoami")).json()["org_name"] == "strangers"
        assert made.worker.deeds == []
        assert await made.status(id) == "running"
        assert made.worker.seen == []

    run(test)


def test_no_call_shows_or_changes_a_checkpoint_of_others_until_it_is_public() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        checkpoint = (await made.call("POST", f"/{id}/checkpoints", 201, name="c"))["id"]
        async with made.client(await made.new_key("strangers")) as stranger:
            ends = {call.name: (await ask(stranger, call, id, checkpoint)).status_code for call in OF_CHECKPOINT}
            hidden = {"deleteCheckpoint": 404, "restoreCheckpoint": 404}  # whose path names a sandbox
            assert ends == dict.fromkeys(ends, 403) | hidden
            await made.call("POST", f"/checkpoints/{checkpoint}/publish")
            forked = await stranger.post(f"/sandboxes/from-checkpoint/{checkpoint}")
            assert forked.status_code == 201
            assert (await stranger.get(f"/sandboxes/checkpoints/{checkpoint}/patches")).status_code == 403
            await made.call("POST", f"/checkpoints/{checkpoint}/unpublish")
            assert (await stranger.post(f"/sandboxes/from-checkpoint/{checkpoint}")).status_code == 403
        assert [row["name"] for row in await made.call("GET", f"/{id}/checkpoints")] == ["c"]

    run(test)


@pytest.mark.parametrize(("checkpoint", "status"), [(UNKNOWN, 404), ("x", 400), (UNKNOWN.upper() + "0", 400)])
def test_unknown_and_malformed_checkpoints(checkpoint: str, status: int) -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        for call in OF_CHECKPOINT:
            assert (await ask(made.api, call, id, checkpoint)).status_code == status, call.name

    run(test)


@pytest.mark.parametrize("key", [None, "", "osb_" + "0" * 64, "not a key"])
def test_no_call_is_answered_without_a_key(key: str | None) -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        async with made.client(key) as nobody:
            for call in CALLS:
                answer = await ask(nobody, call, id)
                assert answer.status_code == 401, call.name
                assert answer.json()["error"] == ("invalid API key" if key else "missing API key")
                assert "oc config set api-key" in answer.json()["hint"]
        assert await made.status(id) == "running"
        assert made.worker.seen == []

    run(test)


def test_key_may_come_as_a_bearer_and_not_in_the_query_of_a_request() -> None:
    async def test(made: Control) -> None:
        async with made.client(None) as nobody:
            bearer = {"Authorization": f"Bearer {made.key}"}
            assert (await nobody.get("/whoami", headers=bearer)).status_code == 200
            assert (await nobody.get("/whoami", params={"api_key": made.key})).status_code == 401

    run(test)


def test_revoked_key_stops_working_and_use_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oc.server.auth.KEPT_S", 0.1)

    async def test(made: Control) -> None:
        accounts = made.plane.store.accounts
        await made.api.get("/whoami")
        await accounts.record_use(made.plane.door.take_used())
        (key,) = await accounts.keys()
        assert key.last_used_at is not None
        await accounts.revoke_key(key.id)

        async def refused() -> bool:
            return (await made.api.get("/whoami")).status_code == 401

        await until(refused)

    run(test)


@pytest.mark.parametrize("id", ["sb-00000000", "sb-0000000", "sb-ABCDEF01", "x", "..", "sb-00000000%0a"])
def test_unknown_and_malformed_ids_are_not_found(id: str) -> None:
    async def test(made: Control) -> None:
        for call in ABOUT_ONE:
            if call.kind is not Kind.CHANNEL:
                assert (await ask(made.api, call, id)).status_code == 404, call.name
        assert made.worker.seen == []

    run(test)


def test_killed_one_is_gone_for_all_but_get_and_delete() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        assert (await made.api.delete(f"/sandboxes/{id}")).content == b""
        assert (await made.api.delete(f"/sandboxes/{id}")).status_code == 204
        assert await made.status(id) == "stopped"
        expected = (410, f"sandbox {id} has been stopped")
        assert set((await ask_all(made.api, INSIDE, id)).values()) == {expected}
        assert await refused_power(made, id) == {400}
        assert (await made.api.get("/sandboxes")).json() == []
        assert len((await made.api.get("/sandboxes?status=stopped,error")).json()) == 1
        assert made.worker.seen == []

    run(test)


def test_failed_one_says_why_and_can_be_killed() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        await made.plane.lifecycle.fail(id, "out of memory")
        assert (await made.api.get(f"/sandboxes/{id}")).json()["reason"] == "out of memory"
        expected = (410, f"sandbox {id} has failed: out of memory")
        assert set((await ask_all(made.api, INSIDE, id)).values()) == {expected}
        assert (await made.api.delete(f"/sandboxes/{id}")).status_code == 204
        assert await made.status(id) == "stopped"

    run(test)


def test_pending_one_is_not_to_be_used_yet() -> None:
    async def test(made: Control) -> None:
        made.worker.may["ensure"].clear()
        creating = asyncio.create_task(made.api.post("/sandboxes"))
        await made.worker.asked["ensure"].wait()
        id = made.worker.specs[0].id
        assert await made.status(id) == Status.PENDING
        assert {status for status, _ in (await ask_all(made.api, INSIDE, id)).values()} == {503}
        assert await refused_power(made, id) == {400}
        made.worker.may["ensure"].set()
        assert (await creating).status_code == 201

    run(test)


def test_timeout_is_set_and_checked() -> None:
    async def test(made: Control) -> None:
        id = await made.create(timeout=5)
        set_timeout = f"/sandboxes/{id}/timeout"
        assert (await made.api.post(set_timeout, json={"timeout": 600})).status_code == 204
        assert (await made.api.get(f"/sandboxes/{id}")).json()["timeout"] == 600
        refused = await made.api.post(set_timeout, json={"timeout": -1})
        assert (refused.status_code, refused.json()["error"]) == (
            400,
            "timeout must be non-negative (0 = no timeout)",
        )
        assert (await made.api.post(set_timeout)).json()["error"] == "timeout is required"

    run(test)


def test_list_names_the_states_that_may_be_asked_for() -> None:
    async def test(made: Control) -> None:
        refused = await made.api.get("/sandboxes?status=asleep")
        assert refused.status_code == 400
        assert "hibernated" in refused.json()["error"]

    run(test)
