"""People, and the organizations that they belong to."""

from __future__ import annotations

import msgspec

from oc.api.timestamps import now
from oc.model.errors import Conflict, NotFound
from oc.model.ids import new_uuid
from oc.store.database import Database, Session
from oc.store.web_sessions import Role

FIRST_ORGANIZATION = "default"  # the one that `oc-host keys create` makes keys for when it is not told another


class Person(msgspec.Struct, frozen=True):
    id: str
    email: str
    name: str
    password_hash: str | None
    oidc_subject: str | None


class Newcomer(msgspec.Struct, frozen=True):
    """Who is to become a person. `email`: in lower case."""

    email: str
    name: str
    password_hash: str | None = None
    oidc_subject: str | None = None


class Membership(msgspec.Struct, frozen=True):
    org_id: str
    org_name: str
    role: Role


class Member(msgspec.Struct, frozen=True):
    user_id: str
    email: str
    name: str
    role: Role
    created_at: int


class People:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def exist(self) -> bool:
        return bool(await self._database.read("any_user"))

    async def add_first(self, newcomer: Newcomer) -> Person:
        """Makes them admin of the first organization. Raises Conflict when they are not the first after all."""

        def work(session: Session) -> Person:
            if session.one("any_user"):
                raise Conflict("there are people here already", hint="ask one of them for an invitation")
            return add_to_default(session, newcomer, "admin")

        return await self._database.run(work, durable=True)

    async def add_to_default(self, newcomer: Newcomer, role: Role) -> Person:
        """Raises Conflict when the e-mail address is taken."""
        return await self._database.run(lambda session: add_to_default(session, newcomer, role), durable=True)

    async def by_email(self, email: str) -> Person | None:
        return _person(await self._database.read("user_of_email", email=email))

    async def by_subject(self, subject: str) -> Person | None:
        return _person(await self._database.read("user_of_subject", subject=subject))

    async def get(self, id: str) -> Person:
        person = _person(await self._database.read("user", id=id))
        if person is None:
            raise NotFound("this person is not here any more")
        return person

    async def link(self, person: Person, subject: str) -> bool:
        """False: they come in under another subject already."""
        work = "link_subject", {"id": person.id, "subject": subject}
        return await self._database.run(lambda session: session.change(work[0], **work[1]) > 0, durable=True)

    async def rename(self, id: str, name: str) -> None:
        await self._database.run(lambda session: session.change("rename_user", id=id, name=name))

    async def set_password_hash(self, id: str, password_hash: str) -> None:
        parameters = {"id": id, "password_hash": password_hash}
        await self._database.run(lambda session: session.change("set_password_hash", **parameters), durable=True)

    # --- organizations ---

    async def memberships(self, user_id: str) -> list[Membership]:
        """Oldest first."""
        return msgspec.convert(await self._database.read("memberships_of_user", user_id=user_id), list[Membership])

    async def members(self, org_id: str) -> list[Member]:
        """Oldest first."""
        return msgspec.convert(await self._database.read("members", org_id=org_id), list[Member])

    async def set_role(self, org_id: str, user_id: str, role: Role) -> Member:
        """Returns who it was. Raises NotFound, and Conflict when no admin would be left."""

        def work(session: Session) -> Member:
            member = _member(session, org_id, user_id)
            if role != "admin":
                _keep_an_admin(session, org_id, user_id)
            session.change("set_role", org_id=org_id, user_id=user_id, role=role)
            return member

        return await self._database.run(work, durable=True)

    async def remove(self, org_id: str, user_id: str) -> Member:
        """With their sessions and keys there, and the invitations that they have sent; returns who it was.

        Raises NotFound, and Conflict when no admin would be left.
        """

        def work(session: Session) -> Member:
            member, of = _member(session, org_id, user_id), {"org_id": org_id, "user_id": user_id}
            _keep_an_admin(session, org_id, user_id)
            session.change("remove_membership", **of)
            session.change("end_web_sessions_in", **of)
            session.change("revoke_keys_of", **of, at=now())
            session.change("revoke_invitations_by", **of, at=now())
            return member

        return await self._database.run(work, durable=True)


def add_person(session: Session, newcomer: Newcomer) -> Person:
    """Raises Conflict when the e-mail address is taken."""
    if session.one("user_of_email", email=newcomer.email):
        raise Conflict(f"{newcomer.email} has an account already", hint="sign in with it")
    row = {"id": new_uuid(), **msgspec.structs.asdict(newcomer)}
    session.change("add_user", **row, at=now())
    return msgspec.convert(row, Person)


def add_to_default(session: Session, newcomer: Newcomer, role: Role) -> Person:
    person = add_person(session, newcomer)
    session.change("add_organization", id=new_uuid(), name=FIRST_ORGANIZATION, at=now())
    organization = session.one("organization_named", name=FIRST_ORGANIZATION) or {}
    session.change("add_membership", org_id=organization["id"], user_id=person.id, role=role, at=now())
    return person


def _person(rows: list[dict[str, object]]) -> Person | None:
    return msgspec.convert(rows[0], Person) if rows else None


def _member(session: Session, org_id: str, user_id: str) -> Member:
    row = session.one("member", org_id=org_id, user_id=user_id)
    if row is None:
        raise NotFound("this organization has no such member")
    return msgspec.convert(row, Member)


def _keep_an_admin(session: Session, org_id: str, user_id: str) -> None:
    """Raises Conflict."""
    if session.one("other_admin", org_id=org_id, user_id=user_id) is None:
        raise Conflict("nobody else is an admin here", hint="make another member an admin first")
