"""Secret stores and their secrets (contract 2.11). Values come here encrypted, and leave encrypted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from oc.api.timestamps import now
from oc.model.errors import Conflict, TooMany
from oc.model.ids import new_uuid
from oc.store.database import Database, Session

MOST_STORES = 200  # of an organization
MOST_SECRETS = 200  # in a store


class SecretStore(msgspec.Struct, frozen=True):
    id: str
    org_id: str
    name: str
    egress_allowlist: tuple[str, ...]  # host patterns; empty: any host
    created_at: int
    updated_at: int


class Secret(msgspec.Struct, frozen=True):
    store_id: str
    name: str
    value: str  # encrypted
    allowed_hosts: tuple[str, ...]  # empty: any host that its store permits
    created_at: int
    updated_at: int


class SecretStores:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, org_id: str, name: str, egress_allowlist: tuple[str, ...]) -> SecretStore:
        """Raises Conflict when the organization has one of that name, and TooMany."""
        id = new_uuid()

        def work(session: Session) -> SecretStore:
            _limit(session.one("count_secret_stores", org_id=org_id), MOST_STORES, "secret stores of an organization")
            columns = {"name": name, "egress_allowlist": _json(egress_allowlist), "at": now()}
            if not session.change("add_secret_store", id=id, org_id=org_id, **columns):
                raise _taken(name)
            return _stores(session.all("secret_store", id=id))[0]

        return await self._database.run(work, durable=True)

    async def of_organization(self, org_id: str) -> list[SecretStore]:
        """By name."""
        return _stores(await self._database.read("secret_stores", org_id=org_id))

    async def get(self, id: str) -> SecretStore | None:
        rows = _stores(await self._database.read("secret_store", id=id))
        return rows[0] if rows else None

    async def named(self, org_id: str, name: str) -> SecretStore | None:
        rows = _stores(await self._database.read("secret_store_named", org_id=org_id, name=name))
        return rows[0] if rows else None

    async def change(self, store: SecretStore, name: str, egress_allowlist: tuple[str, ...]) -> SecretStore | None:
        """None: it has been deleted. Raises Conflict when another has that name."""

        def work(session: Session) -> SecretStore | None:
            other = session.one("secret_store_named", org_id=store.org_id, name=name)
            if other is not None and other["id"] != store.id:
                raise _taken(name)
            columns = {"name": name, "egress_allowlist": _json(egress_allowlist), "at": now()}
            session.change("change_secret_store", id=store.id, **columns)
            rows = _stores(session.all("secret_store", id=store.id))
            return rows[0] if rows else None

        return await self._database.run(work, durable=True)

    async def delete(self, id: str) -> bool:
        """With its secrets. False: there was none."""
        return await self._database.run(lambda session: session.change("delete_secret_store", id=id) > 0, durable=True)

    # --- secrets ---

    async def set(self, store_id: str, name: str, encrypt: Callable[[], str], allowed_hosts: tuple[str, ...]) -> bool:
        """False: the store has been deleted. Raises TooMany.

        `encrypt` is called within the transaction, so that a change of the master key comes wholly before it or after.
        """

        def work(session: Session) -> bool:
            if not session.change("touch_secret_store", id=store_id, at=now()):
                return False
            if session.one("secret", store_id=store_id, name=name) is None:
                _limit(session.one("count_secrets", store_id=store_id), MOST_SECRETS, "secrets of a store")
            columns = {"value": encrypt(), "allowed_hosts": _json(allowed_hosts), "at": now()}
            session.change("set_secret", store_id=store_id, name=name, **columns)
            return True

        return await self._database.run(work, durable=True)

    async def secrets(self, store_id: str) -> list[Secret]:
        """By name."""
        return _secrets(await self._database.read("secrets", store_id=store_id))

    async def counts(self, org_id: str) -> dict[str, int]:
        """How many secrets are in each store of an organization that has any."""
        rows = await self._database.read("count_secrets_in", org_id=org_id)
        return {row["store_id"]: row["number"] for row in rows}

    async def delete_secret(self, store_id: str, name: str) -> bool:
        """False: there was none."""
        parameters = {"store_id": store_id, "name": name}
        return await self._database.run(lambda session: session.change("delete_secret", **parameters) > 0, durable=True)

    async def encrypt_anew(self, anew: Callable[[Secret], str]) -> int:
        """Gives every secret the value that `anew` makes of it, all or none. Returns how many there are."""

        def work(session: Session) -> int:
            secrets = _secrets(session.all("all_secrets"))
            for secret in secrets:
                names = {"store_id": secret.store_id, "name": secret.name}
                session.change("encrypt_secret_anew", value=anew(secret), former=secret.value, **names)
            return len(secrets)

        return await self._database.run(work, durable=True)


def _json(patterns: tuple[str, ...]) -> str:
    return msgspec.json.encode(patterns).decode()


def _stores(rows: list[dict[str, Any]]) -> list[SecretStore]:
    return [
        SecretStore(**row | {"egress_allowlist": tuple(msgspec.json.decode(row["egress_allowlist"]))}) for row in rows
    ]


def _secrets(rows: list[dict[str, Any]]) -> list[Secret]:
    return [Secret(**row | {"allowed_hosts": tuple(msgspec.json.decode(row["allowed_hosts"]))}) for row in rows]


def _limit(counted: dict[str, Any] | None, most: int, what: str) -> None:
    if counted is not None and counted["number"] >= most:
        raise TooMany(f"limit reached: {most} {what}", hint="delete those that are not needed any more")


def _taken(name: str) -> Conflict:
    return Conflict(f"a secret store named {name} exists", hint="oc secret-store list")
