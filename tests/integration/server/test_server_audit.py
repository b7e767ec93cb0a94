"""The audit log: every call that changes something is in it, done or refused, and nothing that is secret."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets
from msgspec.structs import replace

from oc.api.calls import CALLS
from oc.model.errors import Unavailable
from oc.model.ids import new_uuid
from oc.server import audit
from oc.server.audit import is_audited
from oc.server.loops.audit import ForgetAudit
from oc.server.plane import PERIODS_S
from oc.store.audit import Entry
from tests.integration.server.control import Control, run, run_across, until
from tests.integration.server.test_server_states import ask

SECRET = "sk-a-value-that-nobody-may-see"


async def log(made: Control, **asked: Any) -> list[dict[str, Any]]:
    """What is written, and what waits to be."""
    await made.plane.trail.write()
    answer = await made.api.get("/audit", params=asked)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["entries"])


@asynccontextmanager
async def attached(made: Control, id: str, **headers: str) -> AsyncIterator[None]:
    url = f"{made.origin.replace('http', 'ws')}/api/sandboxes/{id}/exec/01234567"
    async with websockets.connect(url, additional_headers={"X-API-Key": made.key} | headers, proxy=None):
        yield


def test_every_call_that_changes_something_is_recorded_and_no_other() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        asked = [call for call in CALLS if call.name not in {"execAttach", "ptyAttach", "listAudit"}]
        statuses = {call.name: (await ask(made.api, call, id)).status_code for call in asked}
        found = {entry["call"]: entry["status"] for entry in await log(made, limit=500)}
        assert found == {call.name: statuses[call.name] for call in asked if is_audited(call)}

    run(test)


def test_an_entry_says_who_did_what_to_what_from_where() -> None:
    async def test(made: Control) -> None:
        headers = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7", "X-Request-Id": "request-1"}
        answer = await made.api.post("/sandboxes", headers=headers)
        (entry,) = await log(made)
        id = answer.json()["sandboxID"]
        assert entry.pop("id")
        assert entry.pop("at").endswith("Z")
        assert entry == {
            "actor": f"{made.key[:8]} tests", "actorKind": "key", "address": "198.51.100.7", "call": "createSandbox",
            "object": id, "status": 201, "requestId": "request-1",
        }  # fmt: skip

    run(test)


def test_objects_are_ids_from_the_outside_in() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        checkpoint = await made.checkpoint(id)
        forks = await made.call("POST", f"/from-checkpoint/{checkpoint}", 201, count=2)
        patch = await made.call("POST", f"/checkpoints/{checkpoint}/patches", 201, script=f"echo {SECRET}")
        store = (await made.api.post("/secret-stores", json={"name": "s"})).json()["id"]
        await made.api.put(f"/secret-stores/{store}/secrets/KEY", json={"value": SECRET})
        await made.call("POST", f"/{id}/exec/run", cmd="echo", args=[SECRET], envs={"A": SECRET})
        await made.api.put(f"/sandboxes/{id}/files", params={"path": f"/{SECRET}"}, content=SECRET)
        await made.call("DELETE", f"/{id}", 204)
        entries = await log(made)
        assert [(entry["call"], entry["object"]) for entry in reversed(entries)] == [
            ("createSandbox", id),
            ("createCheckpoint", f"{id}/{checkpoint}"),
            ("forkCheckpoint", "/".join([checkpoint, *(fork["sandboxID"] for fork in forks)])),
            ("createPatch", f"{checkpoint}/{patch['patch']['id']}"),
            ("createSecretStore", store),
            ("setSecret", f"{store}/KEY"),
            ("execRun", id),
            ("writeFile", id),
            ("killSandbox", id),
        ]
        assert SECRET not in repr(entries)

    run(test)


def test_refusals_are_recorded_and_who_has_no_key_is_nobody() -> None:
    async def test(made: Control) -> None:
        theirs = await made.create()
        async with made.client(await made.new_key("strangers")) as stranger, made.client(None) as nobody:
            assert (await nobody.post("/sandboxes")).status_code == 401
            assert (await stranger.delete(f"/sandboxes/{theirs}")).status_code == 404
            assert (await stranger.post("/sandboxes", json={"memoryMB": -1})).status_code == 400
            await made.plane.trail.write()
            entries = (await stranger.get("/audit")).json()["entries"]
            assert [(entry["call"], entry["status"]) for entry in entries] == [
                ("createSandbox", 400),
                ("killSandbox", 404),
            ]
        assert [entry["call"] for entry in await log(made)] == ["createSandbox"]

    run(test)


def test_an_attachment_is_recorded_when_it_begins_and_when_it_is_refused() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        async with attached(made, id):
            (entry,) = await log(made, call="execAttach")
            assert (entry["object"], entry["status"]) == (f"{id}/01234567", 101)
        await made.call("DELETE", f"/{id}", 204)
        with pytest.raises(websockets.InvalidStatus):
            async with attached(made, id):
                raise AssertionError("a dead sandbox was attached to")
        assert [entry["status"] for entry in await log(made, call="execAttach")] == [410, 101]

    run(test)


def test_a_client_that_goes_away_and_an_answer_that_breaks_off_are_recorded_once() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        made.worker.may_answer.clear()
        asking = asyncio.create_task(made.api.post(f"/sandboxes/{id}/exec/run", json={"cmd": "true"}))
        await made.worker.asked_to_run.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

        async def recorded() -> bool:
            return [entry["object"] for entry in await log(made, call="execRun")] == [id]

        await until(recorded)

    run(test)


def test_the_same_request_again_names_the_same_sandbox() -> None:
    async def test(made: Control) -> None:
        headers = {"Idempotency-Key": "once"}
        ids = {(await made.api.post("/sandboxes", headers=headers)).json()["sandboxID"] for _ in range(2)}
        assert [entry["object"] for entry in await log(made)] == [*ids, *ids]

    run(test)


def test_entries_are_found_by_what_they_say() -> None:
    async def test(made: Control) -> None:
        first, second = await made.create(), await made.create()
        await made.call("DELETE", f"/{first}", 204)
        assert len(await log(made)) == 3
        assert [entry["call"] for entry in await log(made, object=first)] == ["killSandbox", "createSandbox"]
        assert await log(made, object=first[:-1]) == await log(made, object="%") == []
        assert [entry["object"] for entry in await log(made, call="createSandbox")] == [second, first]
        assert len(await log(made, actor="TESTS")) == 3
        assert await log(made, actor="t_sts") == []
        (kill, *rest) = await log(made)
        assert [entry["call"] for entry in await log(made, since=kill["at"])] == ["killSandbox"]
        assert await log(made, until=kill["at"]) == rest

    run(test)


def test_pages_follow_each_other_to_the_end() -> None:
    async def test(made: Control) -> None:
        one = Entry(org_id=await org(made), at=5, actor="a", actor_kind="key", call="c")
        await made.plane.store.audit.add([replace(one, id=new_uuid(), object=str(number)) for number in range(25)])
        seen: list[str] = []
        asked: dict[str, Any] = {"limit": 10}
        while True:
            page = (await made.api.get("/audit", params=asked)).json()
            seen += [entry["object"] for entry in page["entries"]]
            if page["next"] is None:
                break
            asked["cursor"] = page["next"]
        assert sorted(seen, key=int) == [str(number) for number in range(25)]

    run(test)


@pytest.mark.parametrize(
    "asked",
    [{"since": "yesterday"}, {"until": "x"}, {"limit": "0"}, {"limit": "501"}, {"limit": "-1"}, {"limit": "9" * 99},
     {"cursor": "x"}, {"cursor": "1.'; DROP TABLE audit"}, {"since": "9999-99-99"}],
)  # fmt: skip
def test_questions_that_make_no_sense_are_refused(asked: dict[str, str]) -> None:
    async def test(made: Control) -> None:
        assert (await made.api.get("/audit", params=asked)).status_code == 400

    run(test)


def test_what_waits_is_written_when_the_server_stops() -> None:
    async def first(made: Control) -> None:
        await made.create()

    async def between(_: Control) -> None:
        return None

    async def second(made: Control) -> None:
        answer = await made.api.get("/audit")
        assert [entry["call"] for entry in answer.json()["entries"]] == ["createSandbox"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PERIODS_S, "audit", 999.0)
        run_across(first, between, second)


def test_what_changes_secrets_is_written_before_it_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PERIODS_S, "audit", 999.0)

    async def test(made: Control) -> None:
        store = (await made.api.post("/secret-stores", json={"name": "s"})).json()["id"]
        (entry,) = (await made.api.get("/audit")).json()["entries"]
        assert (entry["call"], entry["object"]) == ("createSecretStore", store)

    run(test)


def test_a_log_that_cannot_be_written_stops_nothing_and_loses_the_oldest_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MOST_WAITING", 3)

    async def test(made: Control) -> None:
        async def refuse(*_: Any, **__: Any) -> None:
            raise Unavailable("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(made.plane.store.audit, "add", refuse)
            for name in "abcde":
                answer = await made.api.post("/secret-stores", json={"name": name})
                assert answer.status_code == 201
            with pytest.raises(Unavailable):
                await made.plane.trail.write()
        stores = {row["id"]: row["name"] for row in (await made.api.get("/secret-stores")).json()}
        assert [stores[entry["object"]] for entry in await log(made)] == ["e", "d", "c"]

    run(test)


def test_what_is_older_than_it_is_kept_is_forgotten() -> None:
    async def test(made: Control) -> None:
        new = Entry(org_id=await org(made), actor="a", actor_kind="key", call="c", object="new")
        old = [replace(new, id=new_uuid(), at=number, object="old") for number in range(6000)]
        await made.plane.store.audit.add([*old, new])
        await ForgetAudit(made.plane.store.audit, 0)()
        assert len(await log(made, limit=500)) == 500
        await ForgetAudit(made.plane.store.audit, 1)()
        assert [entry["object"] for entry in await log(made)] == ["new"]

    run(test, audit_days=0)


async def org(made: Control) -> str:
    return (await made.plane.store.accounts.ensure_organization("tests")).id
