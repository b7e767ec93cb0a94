"""Organizations and their API keys. A key is kept as its SHA-256 only (contract 1.2, 1.3)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from oc.api.timestamps import now
from oc.model.ids import KEY_PREFIX_LENGTH, new_api_key, new_uuid
from oc.store.database import Database, Session


class Organization(msgspec.Struct, frozen=True):
    id: str
    name: str
    created_at: int


class Caller(msgspec.Struct, frozen=True):
    """Who asks, and for which organization: a key, which may be a person's, or a person who is signed in."""

    org_id: str
    org_name: str
    key_id: str | None = None
    user_id: str | None = None
    email: str | None = None
    role: str | None = None  # of the person; None: a key that is nobody's (`oc-host`)
    key: str = ""  # its prefix and its name

    @property
    def actor(self) -> str:
        """For people to read. What cannot be chosen by whom it names comes first."""
        if self.key_id is None:
            return self.email or ""
        prefix, _, name = self.key.partition(" ")
        return " ".join(word for word in (prefix, self.email, name) if word)

    @property
    def may_audit(self) -> bool:
        """Admins, and keys, unless they are somebody's who is none."""
        return self.user_id is None or self.role == "admin"


class MemberKey(msgspec.Struct, frozen=True):
    """A key that works, as members of its organization see it."""

    id: str
    prefix: str
    name: str
    user_id: str | None  # who made it; None: `oc-host`
    email: str | None
    login: bool  # made by `oc login`
    created_at: int
    last_used_at: int | None


class Key(msgspec.Struct, frozen=True):
    id: str
    prefix: str
    name: str
    org_id: str
    org_name: str
    created_at: int
    last_used_at: int | None
    revoked_at: int | None


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


class Accounts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def ensure_organization(self, name: str) -> Organization:
        """The organization of that name, made when there is none."""

        def work(session: Session) -> Organization:
            session.change("add_organization", id=new_uuid(), name=name, at=now())
            return msgspec.convert(session.one("organization_named", name=name), Organization)

        return await self._database.run(work, durable=True)

    async def create_key(self, org_id: str, name: str, user_id: str | None = None) -> tuple[str, str]:
        """Returns the new key's id and the key itself, which nobody can read again. `user_id`: who makes it."""
        return await self._database.run(lambda session: add_key(session, org_id, name, user_id), durable=True)

    async def caller(self, key: str) -> Caller | None:
        """Constant time is not at stake: what is looked up is a hash, of which a guesser controls no prefix."""
        rows = await self._database.read("caller_of_key", hash=digest(key))
        return msgspec.convert(rows[0], Caller) if rows else None

    async def keys(self) -> list[Key]:
        return msgspec.convert(await self._database.read("keys"), list[Key])

    async def keys_in(self, org_id: str) -> list[MemberKey]:
        """Newest first."""
        rows = await self._database.read("keys_in", org_id=org_id)
        return msgspec.convert(rows, list[MemberKey], strict=False)

    async def revoke_key_in(self, org_id: str, id: str, user_id: str | None = None) -> bool:
        """A key of that organization; with `user_id`, only if it is theirs. False: there is none that works."""
        query, of = ("revoke_key_of", {"user_id": user_id}) if user_id else ("revoke_key_in", {})
        parameters = {"id": id, "org_id": org_id, "at": now(), **of}
        return await self._database.run(lambda session: session.change(query, **parameters) > 0, durable=True)

    async def revoke_key(self, id: str) -> bool:
        """False: there is no such key, or it was revoked before."""
        return await self._database.run(lambda session: session.change("revoke_key", id=id, at=now()) > 0, durable=True)

    async def record_use(self, used: Mapping[str, int]) -> None:
        """Of keys, by id: when each was last used."""
        rows = [{"id": id, "at": at} for id, at in used.items()]
        await self._database.run(lambda session: session.change_each("use_key", rows))


def add_key(
    session: Session, org_id: str, name: str, user_id: str | None = None, *, login: bool = False
) -> tuple[str, str]:
    """The new key's id and the key itself."""
    id, key = new_uuid(), new_api_key()
    of = {"org_id": org_id, "user_id": user_id, "login": int(login)}
    session.change("add_key", id=id, hash=digest(key), prefix=key[:KEY_PREFIX_LENGTH], name=name, at=now(), **of)
    return id, key
