"""Logins of command lines: one asks, a person approves in the browser, a key is made (RFC 8628, contract 1.7).

The device code, which fetches the key, is kept as its SHA-256 only. The user code is worth nothing without it.
"""

from __future__ import annotations

import secrets
from typing import Literal

import msgspec

from oc.api.timestamps import SECOND, now
from oc.model.errors import NotFound, TooMany
from oc.model.ids import KEY_PREFIX_LENGTH
from oc.store.accounts import add_key, digest
from oc.store.database import Database, Session
from oc.store.setup_code import grouped
from oc.store.web_sessions import Visitor

LASTS_S, INTERVAL_S = 600, 3
MOST, MOST_OF_ADDRESS = 1000, 5  # that wait for a decision
Refusal = Literal["pending", "too_fast", "denied", "expired"]


class Asked(msgspec.Struct, frozen=True):
    device_code: str
    user_code: str


class Waiting(msgspec.Struct, frozen=True):
    user_code: str
    address: str
    created_at: int


class Credential(msgspec.Struct, frozen=True):
    id: str
    key: str
    key_prefix: str
    name: str


class User(msgspec.Struct, frozen=True):
    id: str
    email: str
    name: str


class Organization(msgspec.Struct, frozen=True):
    id: str
    name: str


class Granted(msgspec.Struct, frozen=True):
    credential: Credential
    user: User
    org: Organization


class DeviceLogins:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask(self, address: str) -> Asked:
        """Raises TooMany."""
        asked, at = Asked(secrets.token_urlsafe(32), grouped(2, 4)), now()

        def work(session: Session) -> None:
            session.change("forget_device_logins", at=at)
            counts = session.one("count_device_logins", address=address) or {}
            if counts["everywhere"] >= MOST or counts["here"] >= MOST_OF_ADDRESS:
                raise TooMany("too many logins wait for a decision")
            row = {"hash": digest(asked.device_code), "user_code": asked.user_code, "address": address}
            session.change("add_device_login", **row, at=at, expires_at=at + LASTS_S * SECOND)

        await self._database.run(work)
        return asked

    async def waiting(self, user_code: str) -> Waiting | None:
        rows = await self._database.read("device_login_of_user_code", user_code=user_code, at=now())
        return msgspec.convert(rows[0], Waiting) if rows else None

    async def decide(self, user_code: str, by: Visitor, *, approve: bool) -> None:
        """Raises NotFound when it does not wait any more."""
        status, at = "approved" if approve else "denied", now()
        of = {"user_code": user_code, "user_id": by.user_id, "org_id": by.org_id}
        if not await self._database.run(
            lambda session: session.change("decide_device_login", **of, status=status, at=at)
        ):
            raise NotFound("this code is not waiting any more", hint="run `oc login` again")

    async def exchange(self, device_code: str, name: str) -> Granted | Refusal:
        """Makes the key, once. `expired`: it has been fetched, or there has never been such a code, as well."""
        hash = digest(device_code)
        rows = await self._database.read("device_login", hash=hash, at=now())
        match rows[0]["status"] if rows else "taken":
            case "approved":
                return await self._database.run(lambda session: _grant(session, hash, name), durable=True)
            case "pending":
                return await self._poll(hash, rows[0]["polled_at"])
            case "denied":
                return "denied"
            case _:
                return "expired"

    async def _poll(self, hash: str, polled_at: int | None) -> Refusal:
        at = now()
        if polled_at is not None and at - polled_at < INTERVAL_S * SECOND:
            return "too_fast"
        await self._database.run(lambda session: session.change("poll_device_login", hash=hash, at=at))
        return "pending"


def _grant(session: Session, hash: str, name: str) -> Granted | Refusal:
    """Who approved may have been removed since."""
    if not session.change("take_device_login", hash=hash):
        return "expired"
    row = session.one("grant_of_device_login", hash=hash)
    if row is None:
        return "denied"
    id, key = add_key(session, row["org_id"], name, row["user_id"], login=True)
    return Granted(
        Credential(id, key, key[:KEY_PREFIX_LENGTH], name),
        User(row["user_id"], row["email"], row["user_name"]),
        Organization(row["org_id"], row["org_name"]),
    )
