"""Secret stores at the desk of a person, and those of strangers."""

from __future__ import annotations

from typing import Any

import msgspec

from oc.store.secret_stores import SecretStore
from tests.integration.web_sandboxes.stand import Desk

VALUE = "sk-a-value-that-nobody-may-see"


async def make(at: Desk, name: str, hosts: str = "") -> str:
    """Its id."""
    answer = await at.send("/secrets", "/secrets", name=name, hosts=hosts)
    return answer.headers["location"].rpartition("/")[2]


async def put(at: Desk, store: str, secret: str, value: str = VALUE, hosts: str = "") -> None:
    await at.send(f"/secrets/{store}", f"/{store}/secrets", secret=secret, value=value, secret_hosts=hosts)


async def get(at: Desk, store: str) -> SecretStore:
    row = await at.plane.store.secret_stores.get(store)
    assert row is not None
    return row


async def of_strangers(at: Desk) -> str:
    """A store of another organization, with the secret A."""
    made = await at.plane.store.accounts.ensure_organization("others")
    _, key = await at.plane.store.accounts.create_key(made.id, "tests")
    async with at.site.api(key) as api:
        id = str((await api.post("/api/secret-stores", json={"name": "theirs"})).json()["id"])
        assert (await api.put(f"/api/secret-stores/{id}/secrets/A", json={"value": VALUE})).status_code == 200
    return id


def policies(at: Desk, sandbox: str) -> list[dict[str, Any]]:
    """What the worker was told that a sandbox may send, one after the other."""
    told = [msgspec.json.decode(body) for body in at.worker.bodies if body.startswith(b'{"sandbox"')]
    return [policy for policy in told if policy["sandbox"] == sandbox]
