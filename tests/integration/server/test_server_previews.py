"""The list of preview URLs, and the token that they ask for (contract 2.1.1, 2.9.1)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from oc.model.errors import Unavailable
from oc.store.accounts import digest
from oc.store.idempotency import Idempotency
from tests.integration.server.control import Control, run

NOBODY = "sb-00000000"


async def hash_of(made: Control, id: str) -> str | None:
    row = await made.plane.store.sandboxes.get(id)
    assert row is not None
    return row.preview_hash


async def changes(made: Control, id: str) -> list[str | None]:
    told = await made.plane.store.events.of(id)
    return [event.reason for event in told if event.type == "sandbox.preview_url.changed"]


def test_preview_is_listed_once_for_each_port() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        assert await made.call("GET", f"/{id}/preview") == []
        first = await made.call("POST", f"/{id}/preview", 201, port=3000, authConfig={"a": [1]})
        hostname = f"{id}-p3000.localhost"
        assert re.fullmatch(r"[0-9a-f-]{36}", first.pop("id"))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", first.pop("createdAt"))
        assert first.pop("orgId")
        assert first == {
            "sandboxId": id,
            "hostname": hostname,
            "customHostname": None,
            "port": 3000,
            "sslStatus": "active",
            "authConfig": {"a": [1]},
            "url": f"http://{hostname}:8080",
        }
        again = await made.call("POST", f"/{id}/preview", 200, port=3000)
        assert again["authConfig"] == {"a": [1]}
        await made.call("POST", f"/{id}/preview", 201, port=80)
        assert [row["port"] for row in await made.call("GET", f"/{id}/preview")] == [80, 3000]
        assert await changes(made, id) == [f"3000 http://{hostname}:8080", f"80 http://{id}-p80.localhost:8080"]

    run(test)


def test_domain_is_taken_changed_kept_and_given_back() -> None:
    async def test(made: Control) -> None:
        one, two = await made.create(), await made.create()
        first = await made.call("POST", f"/{one}/preview", 201, port=80, domain="App.Example.org.")
        assert (first["customHostname"], first["url"]) == ("app.example.org", "https://app.example.org")
        assert (await made.call("POST", f"/{one}/preview", 200, port=80))["customHostname"] == "app.example.org"
        taken = await made.call("POST", f"/{two}/preview", 409, port=80, domain="app.example.org")
        assert taken["code"] == "conflict"
        assert await made.call("GET", f"/{two}/preview") == []
        moved = await made.call("POST", f"/{one}/preview", 200, port=80, domain="www.example.org")
        assert (moved["id"], moved["customHostname"]) == (first["id"], "www.example.org")
        await made.call("POST", f"/{two}/preview", 201, port=80, domain="app.example.org")
        await made.call("DELETE", f"/{one}/preview/80", 204)
        await made.call("POST", f"/{two}/preview", 200, port=80, domain="www.example.org")
        assert await changes(made, one) == ["80 https://app.example.org", "80 https://www.example.org", "80"]

    run(test, public_url="https://oc.example.com", domain="preview.example.net")


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({}, 400, "port"),
        ({"port": 0}, 400, "port must be between 1 and 65535"),
        ({"port": -1}, 400, "port must be between 1 and 65535"),
        ({"port": 65536}, 400, "port must be between 1 and 65535"),
        ({"port": "80"}, 400, "port"),
        ({"port": 80, "domain": "localhost"}, 400, "domain"),
        ({"port": 80, "authConfig": []}, 400, "authConfig"),
        ({"port": 80, "authConfig": {"a": "x" * (16 << 10)}}, 413, "authConfig is too large"),
    ],
)
def test_bad_request_is_refused_and_says_why(body: dict[str, Any], status: int, text: str) -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        assert text in (await made.call("POST", f"/{id}/preview", status, **body))["error"]
        assert await made.call("GET", f"/{id}/preview") == []

    run(test)


def test_delete_says_what_is_not_there() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        for port in ("0", "65536", "x", "-1", "080", "٣"):
            assert (await made.call("DELETE", f"/{id}/preview/{port}", 400))["error"].startswith("port must be")
        assert (await made.call("DELETE", f"/{id}/preview/80", 404))["code"] == "not_found"

    run(test)


def test_hundred_previews_are_enough() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        for port in range(1, 101):
            await made.call("POST", f"/{id}/preview", 201, port=port)
        assert "maximum 100" in (await made.call("POST", f"/{id}/preview", 400, port=101))["error"]
        await made.call("POST", f"/{id}/preview", 200, port=100)

    run(test)


def test_previews_outlive_sleep_and_go_with_the_sandbox() -> None:
    async def test(made: Control) -> None:
        id, other = await made.create(), await made.create()
        await made.call("POST", f"/{id}/preview", 201, port=80, domain="app.example.org")
        await made.call("POST", f"/{id}/hibernate")
        await made.call("POST", f"/{id}/preview", 201, port=81)
        assert await made.status(id) == "hibernated"
        await made.call("POST", f"/{id}/wake")
        assert [row["port"] for row in await made.call("GET", f"/{id}/preview")] == [80, 81]
        await made.call("DELETE", f"/{id}", 204)
        assert await made.call("GET", f"/{id}/preview") == []
        assert (await made.call("POST", f"/{id}/preview", 410, port=80))["code"] == "gone"
        assert (await made.call("POST", f"/{id}/preview/rotate", 410))["code"] == "gone"
        await made.call("POST", f"/{other}/preview", 201, port=80, domain="app.example.org")

    run(test)


def test_previews_of_others_are_not_there() -> None:
    async def test(made: Control) -> None:
        id = await made.create(previewAuth={"token": "x" * 16})
        await made.call("POST", f"/{id}/preview", 201, port=80)
        async with made.client(await made.new_key("others")) as stranger:
            for path in (f"/sandboxes/{id}/preview", f"/sandboxes/{NOBODY}/preview"):
                calls = (("GET", path), ("POST", path), ("POST", f"{path}/rotate"), ("DELETE", f"{path}/80"))
                for method, target in calls:
                    answer = await stranger.request(method, target, json={"port": 80} if method == "POST" else None)
                    assert answer.status_code == 404, (method, target)
        assert await hash_of(made, id) == digest("x" * 16)
        assert len(await made.call("GET", f"/{id}/preview")) == 1

    run(test)


def test_token_is_told_once_and_kept_as_its_hash() -> None:
    async def test(made: Control) -> None:
        answer = await made.api.post("/sandboxes", json={"previewAuth": {"scheme": "bearer", "token": "auto"}})
        id, token = answer.json()["sandboxID"], answer.json()["previewAuthToken"]
        assert len(token) == 43
        assert await hash_of(made, id) == digest(token)
        assert (await made.api.get(f"/sandboxes/{id}")).json()["previewAuthToken"] is None
        assert token not in (await made.api.get("/sandboxes")).text
        files = [path for path in made.plane.settings.database.parent.iterdir() if path.is_file()]
        assert files
        assert all(token.encode() not in path.read_bytes() for path in files)

    run(test)


def test_sandbox_without_a_token_has_open_previews_until_rotated() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        assert await hash_of(made, id) is None
        tokens = [await made.call("POST", f"/{id}/preview/rotate") for _ in range(2)]
        assert {answer["scheme"] for answer in tokens} == {"bearer"}
        assert tokens[0]["previewAuthToken"] != tokens[1]["previewAuthToken"]
        assert await hash_of(made, id) == digest(tokens[1]["previewAuthToken"])
        await made.call("POST", f"/{id}/hibernate")
        asleep = await made.call("POST", f"/{id}/preview/rotate")
        assert await made.status(id) == "hibernated"
        assert await hash_of(made, id) == digest(asleep["previewAuthToken"])

    run(test)


def test_bad_preview_auth_creates_nothing() -> None:
    async def test(made: Control) -> None:
        for auth in ({"token": "short"}, {"scheme": "basic"}, {"token": 5}):
            answer = await made.api.post("/sandboxes", json={"previewAuth": auth})
            assert answer.status_code == 400
            assert "previewAuth" in answer.json()["error"]
        assert made.worker.specs == []

    run(test)


KEY = {"Idempotency-Key": "attempt-1"}


def test_same_key_tells_the_same_token_and_one_whose_answer_was_lost_tells_one_that_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep = Idempotency.keep

    async def lose(*_: object) -> None:
        raise Unavailable("as if the server died before it could answer")

    async def test(made: Control) -> None:
        body = {"previewAuth": {"token": "auto"}}
        monkeypatch.setattr(Idempotency, "keep", lose)
        assert (await made.api.post("/sandboxes", json=body, headers=KEY)).status_code == 503
        monkeypatch.setattr(Idempotency, "keep", keep)
        first, second = [await made.api.post("/sandboxes", json=body, headers=KEY) for _ in range(2)]
        assert first.status_code == 201
        assert first.text == second.text
        assert len(made.worker.specs) == 1
        assert await hash_of(made, first.json()["sandboxID"]) == digest(first.json()["previewAuthToken"])

    run(test)
