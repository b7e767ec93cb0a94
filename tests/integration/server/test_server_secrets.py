"""Secret stores and egress over the API: values go in and to the worker, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from oc.model.errors import Failed, NotSupported
from oc.serve import master_key, rotate
from oc.server.vault import Vault, place
from tests.integration.server import stub
from tests.integration.server.control import Control, run

VALUE = "sk-a-value-that-nobody-may-see"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
Secrets = dict[str, dict[str, Any]]


async def store(api: httpx.AsyncClient, name: str = "s", hosts: list[str] | None = None) -> str:
    answer = await api.post("/secret-stores", json={"name": name, "egressAllowlist": hosts})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def put(api: httpx.AsyncClient, store: str, name: str, value: str = VALUE, **more: Any) -> httpx.Response:
    return await api.put(f"/secret-stores/{store}/secrets/{name}", json={"value": value, **more})


def policies(made: Control, id: str) -> list[dict[str, Any]]:
    """What the worker was told of a sandbox, one after the other."""
    told = [msgspec.json.decode(body) for body in made.worker.bodies if body.startswith(b'{"sandbox"')]
    return [policy for policy in told if policy["sandbox"] == id]


def granted(made: Control, id: str) -> Secrets:
    """By name, as the worker was told last."""
    return {secret["name"]: secret for secret in policies(made, id)[-1]["secrets"]}


def test_stores_are_made_changed_listed_and_deleted() -> None:
    async def test(made: Control) -> None:
        api = made.api
        id = await store(api, "b", ["API.example.com", "*.example.org"])
        other = await store(api, "a")
        assert [row["name"] for row in (await api.get("/secret-stores")).json()] == ["a", "b"]
        assert (await api.get(f"/secret-stores/{id}")).json()["egressAllowlist"] == ["api.example.com", "*.example.org"]
        assert (await api.post("/secret-stores", json={"name": "a"})).status_code == 409
        assert (await api.put(f"/secret-stores/{id}", json={"name": "a"})).status_code == 409
        renamed = (await api.put(f"/secret-stores/{id}", json={"name": "c"})).json()
        assert (renamed["name"], renamed["egressAllowlist"]) == ("c", ["api.example.com", "*.example.org"])
        emptied = (await api.put(f"/secret-stores/{id}", json={"egressAllowlist": []})).json()
        assert (emptied["name"], emptied["egressAllowlist"]) == ("c", [])
        assert (await api.delete(f"/secret-stores/{other}")).status_code == 204
        assert (await api.delete(f"/secret-stores/{other}")).status_code == 404

    run(test)


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 400), ({"name": ""}, 400), ({"name": "a b"}, 400), ({"name": "x" * 129}, 400), ({"name": 1}, 400),
     ({"name": "x", "egressAllowlist": ["http://y"]}, 400), ({"name": "x", "egressAllowlist": [""]}, 400)],
)  # fmt: skip
def test_stores_that_may_not_be(body: dict[str, Any], status: int) -> None:
    async def test(made: Control) -> None:
        assert (await made.api.post("/secret-stores", json=body)).status_code == status
        assert (await made.api.get("/secret-stores")).json() == []

    run(test)


def test_values_are_taken_and_never_given_back() -> None:
    async def test(made: Control) -> None:
        api, id = made.api, await store(made.api)
        answers = [await put(api, id, "KEY", allowedHosts=["api.example.com"]), await put(api, id, "OTHER")]
        assert answers[0].json() == {"name": "KEY", "status": "set"}
        sandbox = await made.create(secretStore="s")
        for path in (
            "/secret-stores", f"/secret-stores/{id}", f"/secret-stores/{id}/secrets", "/audit", "/sandboxes",
            f"/sandboxes/{sandbox}", f"/sandboxes/{sandbox}/egress", f"/sandboxes/{sandbox}/allowed-hosts",
        ):  # fmt: skip
            answers.append(await api.get(path))
            assert answers[-1].status_code == 200, path
        answers.append(await put(api, id, "KEY", VALUE * 2000))
        answers.append(await put(api, id, "KEY", f"{VALUE}\0"))
        answers.append(await put(api, id, "1", VALUE))
        answers.append(await api.put(f"/secret-stores/{id}/secrets/KEY", json={"value": [VALUE]}))
        assert [answer.status_code for answer in answers[-4:]] == [413, 400, 400, 400]
        assert all(VALUE not in answer.text for answer in answers)
        directory = made.plane.settings.database.parent
        assert all(VALUE.encode() not in path.read_bytes() for path in directory.iterdir())
        (listed,) = [one for one in answers[4].json() if one["name"] == "KEY"]
        assert listed["allowedHosts"] == ["api.example.com"]

    with capture_logs() as logs:
        run(test, log_level="debug")
    assert VALUE not in repr(logs)


def test_a_sandbox_holds_placeholders_and_its_worker_is_told_the_values() -> None:
    async def test(made: Control) -> None:
        id = await store(made.api, hosts=["*.example.com"])
        await put(made.api, id, "KEY", allowedHosts=["api.example.com"])
        sandbox = await made.create(secretStore="s", envs={"MINE": "1"})
        environment = made.worker.specs[-1].envs
        secret = granted(made, sandbox)["KEY"]
        assert secret == {
            "name": "KEY", "placeholder": environment["KEY"], "value": VALUE, "hosts": ["api.example.com"]
        }  # fmt: skip
        assert environment["KEY"].startswith("osb_sealed_")
        assert VALUE.encode() not in msgspec.json.encode(made.worker.specs)
        assert environment["HTTPS_PROXY"] == "http://169.254.169.253:3128"
        assert policies(made, sandbox)[-1]["allowHosts"] == ["*.example.com"]
        other = await made.create(secretStore="s")
        assert granted(made, other)["KEY"]["placeholder"] != secret["placeholder"]

    run(test)


def test_changes_reach_sandboxes_that_run_at_once_and_sleepers_when_they_wake() -> None:
    async def test(made: Control) -> None:
        id = await store(made.api)
        await put(made.api, id, "KEY")
        running, sleeping = await made.create(secretStore="s"), await made.create(secretStore="s")
        await made.call("POST", f"/{sleeping}/hibernate")
        before = len(policies(made, sleeping))
        sealed = granted(made, running)["KEY"]["placeholder"]
        await put(made.api, id, "KEY", "new", allowedHosts=["x.example.com"])
        assert granted(made, running)["KEY"] == {
            "name": "KEY", "placeholder": sealed, "value": "new", "hosts": ["x.example.com"]
        }  # fmt: skip
        await made.api.put(f"/secret-stores/{id}", json={"egressAllowlist": ["x.example.com"]})
        assert policies(made, running)[-1]["allowHosts"] == ["x.example.com"]
        assert len(policies(made, sleeping)) == before
        await made.call("POST", f"/{sleeping}/wake")
        assert granted(made, sleeping)["KEY"]["value"] == "new"
        await made.api.delete(f"/secret-stores/{id}/secrets/KEY")
        assert granted(made, running) == granted(made, sleeping) == {}

    run(test)


def test_a_fork_keeps_placeholders_sees_present_values_and_layers_another_store() -> None:
    async def test(made: Control) -> None:
        base, top = await store(made.api, "base", ["a.example.com"]), await store(made.api, "top", ["b.example.com"])
        await put(made.api, base, "SHARED", "of base")
        await put(made.api, base, "BASE", "of base")
        await put(made.api, top, "SHARED", "of top")
        await put(made.api, top, "TOP", "of top")
        parent = await made.create(secretStore="base")
        before = granted(made, parent)
        checkpoint = await made.checkpoint(parent)
        await put(made.api, base, "BASE", "newer")
        fork = (await made.call("POST", f"/from-checkpoint/{checkpoint}", 201))["sandboxID"]
        assert {name: one["placeholder"] for name, one in granted(made, fork).items()} == {
            name: one["placeholder"] for name, one in before.items()
        }
        assert granted(made, fork)["BASE"]["value"] == "newer"
        layered = (await made.call("POST", f"/from-checkpoint/{checkpoint}", 201, secretStore="top"))["sandboxID"]
        values = {name: one["value"] for name, one in granted(made, layered).items()}
        assert values == {"SHARED": "of top", "BASE": "newer", "TOP": "of top"}
        assert granted(made, layered)["SHARED"]["placeholder"] == before["SHARED"]["placeholder"]
        hosts = await made.call("GET", f"/{layered}/allowed-hosts")
        assert hosts["egressAllowlist"] == ["a.example.com", "b.example.com"]
        assert (hosts["secretStore"], hosts["baseSecretStore"]) == ("top", "base")
        missing = await made.api.post(f"/sandboxes/from-checkpoint/{checkpoint}", json={"secretStore": "none"})
        assert missing.status_code == 400

    run(test)


def test_no_store_and_no_secret_of_another_organization_can_be_had() -> None:
    async def test(made: Control) -> None:
        id = await store(made.api)
        await put(made.api, id, "KEY")
        sandbox = await made.create(secretStore="s")
        checkpoint = await made.checkpoint(sandbox)
        await made.call("POST", f"/checkpoints/{checkpoint}/publish")
        async with made.client(await made.new_key("strangers")) as stranger:
            for method, path in (
                ("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/secrets"), ("PUT", "/secrets/KEY"),
                ("DELETE", "/secrets/KEY"),
            ):  # fmt: skip
                body = {"value": "v", "name": "x"}
                assert (await stranger.request(method, f"/secret-stores/{id}{path}", json=body)).status_code == 404
            assert (await stranger.post("/sandboxes", json={"secretStore": "s"})).status_code == 400
            fork = (await stranger.post(f"/sandboxes/from-checkpoint/{checkpoint}")).json()["sandboxID"]
            assert policies(made, fork) == []
            assert "KEY" not in made.worker.specs[-1].envs
            shown = (await stranger.get(f"/sandboxes/{fork}/egress")).json()
            assert (shown["governed"], shown["secretStores"]) == (False, [])
            mine = await store(stranger)  # a name may be taken by each
            assert (await stranger.get(f"/secret-stores/{mine}/secrets")).json() == []
        assert (await made.api.get(f"/secret-stores/{id}")).json()["name"] == "s"
        assert [one["name"] for one in (await made.api.get(f"/secret-stores/{id}/secrets")).json()] == ["KEY"]

    run(test)


@pytest.mark.parametrize(("id", "status"), [(UNKNOWN, 404), ("x", 400), (UNKNOWN + "0", 400)])
def test_unknown_and_malformed_stores(id: str, status: int) -> None:
    async def test(made: Control) -> None:
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/secrets"), ("DELETE", "/secrets/KEY")):
            assert (await made.api.request(method, f"/secret-stores/{id}{path}")).status_code == status
        assert (await put(made.api, id, "KEY")).status_code == status

    run(test)


def test_egress_is_set_shown_and_taken_back() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        assert (await made.call("GET", f"/{id}/egress"))["governed"] is False
        rules: dict[str, Any] = {"allowHosts": ["PyPI.org"], "allowCidrs": ["203.0.113.0/24"]}
        set_ = await made.call("PUT", f"/{id}/egress", **rules)
        assert set_ == {
            "sandboxID": id, "governed": True, "denyAll": False, "allowHosts": ["pypi.org"],
            "allowCidrs": ["203.0.113.0/24"], "secretStores": [],
        }  # fmt: skip
        assert policies(made, id)[-1]["allowHosts"] == ["pypi.org"]
        assert await made.call("GET", f"/{id}/egress") == set_
        (refused,) = await made.call("GET", f"/{id}/egress/refusals")
        assert (refused["host"], refused["port"]) == ("example.com", 443)
        assert (await made.call("DELETE", f"/{id}/egress"))["governed"] is False
        assert made.worker.seen[-1][:2] == ("DELETE", f"/sandboxes/{id}/egress")
        denied = await made.create(networkEnabled=False)
        assert policies(made, denied)[-1]["denyAll"] is True

    run(test)


@pytest.mark.parametrize(
    "body",
    [{"allowHosts": ["http://x"]}, {"allowCidrs": ["203.0.113.1/24"]}, {"allowCidrs": ["::/0"]}, {"allowCidrs": ["x"]},
     {"denyAll": True, "allowHosts": ["x"]}, {"allowHosts": "x"}],
)  # fmt: skip
def test_rules_that_may_not_be(body: dict[str, Any]) -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        assert (await made.api.put(f"/sandboxes/{id}/egress", json=body)).status_code == 400
        assert (await made.api.post("/sandboxes", json={"egress": body})).status_code == 400
        assert policies(made, id) == []

    run(test)


def test_a_sandbox_whose_host_cannot_govern_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = NotSupported("no egress proxy here")
    monkeypatch.setitem(stub.CANNED, ("PUT", "egress"), (refusal.status, msgspec.to_builtins(refusal.body())))

    async def test(made: Control) -> None:
        answer = await made.api.post("/sandboxes", json={"egress": {"denyAll": True}})
        assert answer.status_code == refusal.status
        assert made.worker.specs == []

    run(test)


def test_a_store_that_is_deleted_while_used_takes_its_secrets_and_lets_nothing_more_out() -> None:
    async def test(made: Control) -> None:
        id = await store(made.api, hosts=["a.example.com"])
        await put(made.api, id, "KEY")
        sandbox = await made.create(secretStore="s")
        assert (await made.api.delete(f"/secret-stores/{id}")).status_code == 204
        assert (policies(made, sandbox)[-1]["secrets"], policies(made, sandbox)[-1]["allowHosts"]) == ([], [])
        assert await made.status(sandbox) == "running"
        shown = await made.call("GET", f"/{sandbox}/egress")
        assert (shown["governed"], shown["secretStores"]) == (True, [])

    run(test)


# --- the master key ---


@contextmanager
def own_key(made: Control) -> Iterator[None]:
    """The server's key is in its file, as it is without a setting."""
    settings = replace(made.plane.settings, master_key="")
    master_key.ensure(settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made.plane.vault, "_given", "")
        yield


async def works(made: Control, sandbox: str, store: str) -> None:
    """What was set before is read, and what is set now is told."""
    await put(made.api, store, "LATER", "later")
    values = {name: one["value"] for name, one in granted(made, sandbox).items()}
    assert values["KEY"] == VALUE


def test_the_master_key_is_changed_beside_the_server_and_at_each_step_all_can_be_read() -> None:
    async def test(made: Control) -> None:
        settings = replace(made.plane.settings, master_key="")
        with own_key(made):
            id = await store(made.api)
            await put(made.api, id, "KEY")
            sandbox = await made.create(secretStore="s")
            first = settings.master_key_file.read_text()
            for _ in range(2):  # killed before anything was encrypted anew, twice
                master_key.begin_change(settings)
                await works(made, sandbox, id)
            await rotate._encrypt_anew(settings)  # killed before the former keys were dropped
            await works(made, sandbox, id)
            assert len(settings.master_key_file.read_text().split()) == 3
            master_key.begin_change(settings)
            await rotate._encrypt_anew(settings)
            master_key.end_change(settings)
            await works(made, sandbox, id)
            (last,) = settings.master_key_file.read_text().split()
            assert last not in first
            assert settings.master_key_file.stat().st_mode & 0o777 == 0o600
            only = Vault(settings)
            for secret in await made.plane.store.secret_stores.secrets(id):
                assert only.decrypt(secret.value, place(id, secret.name))

    run(test)


def test_a_value_that_cannot_be_read_stops_the_change_and_nothing_is_lost() -> None:
    async def test(made: Control) -> None:
        settings = replace(made.plane.settings, master_key="")
        with own_key(made):
            id = await store(made.api)
            await put(made.api, id, "A")
            await put(made.api, id, "B")
            damage = "UPDATE secrets SET value = substr(value, 1, 20) WHERE name = 'B'"
            await made.plane.store._database.run(lambda session: session._connection.execute(damage))
            before = await made.plane.store.secret_stores.secrets(id)
            master_key.begin_change(settings)
            with pytest.raises(Failed, match="damaged"):
                await rotate._encrypt_anew(settings)
            assert await made.plane.store.secret_stores.secrets(id) == before
            assert made.plane.vault.decrypt(before[0].value, place(id, "A")) == VALUE

    run(test)


@pytest.mark.parametrize(
    ("query", "left"), [("", True), ("?deleteSecretStore=no", True), ("?deleteSecretStore=True", False)]
)
def test_a_kill_deletes_the_secret_store_only_when_it_is_told_to(query: str, left: bool) -> None:
    async def test(made: Control) -> None:
        id = await store(made.api)
        sandbox = (await made.api.post("/sandboxes", json={"secretStore": "s"})).json()["sandboxID"]
        assert (await made.api.delete(f"/sandboxes/{sandbox}{query}")).status_code == 204
        assert ((await made.api.get(f"/secret-stores/{id}")).status_code == 200) is left
        assert (await made.api.delete(f"/sandboxes/{sandbox}{query}")).status_code == 204

    run(test)


def test_rules_that_are_taken_back_do_not_wait_in_a_sandbox_that_sleeps() -> None:
    """A frozen one keeps what the worker was told of it."""

    async def test(made: Control) -> None:
        id = (await made.api.post("/sandboxes", json={"egress": {"denyAll": True}})).json()["sandboxID"]
        assert (await made.api.post(f"/sandboxes/{id}/hibernate")).status_code == 200
        assert (await made.api.delete(f"/sandboxes/{id}/egress")).json()["governed"] is False
        assert ("DELETE", f"/sandboxes/{id}/egress") in [seen[:2] for seen in made.worker.seen]

    run(test)
