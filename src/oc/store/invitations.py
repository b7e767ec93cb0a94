"""Invitations into an organization. The token in an invitation's link is kept as its SHA-256 only."""

from __future__ import annotations

import secrets

import msgspec

from oc.api.timestamps import SECOND, now
from oc.model.errors import Conflict, NotFound, TooMany
from oc.model.ids import new_uuid
from oc.store.accounts import digest
from oc.store.database import Database, Session
from oc.store.people import Newcomer, Person, add_person
from oc.store.web_sessions import Role, Visitor

LASTS_S = 7 * 86_400
MOST = 200  # of an organization, that wait to be accepted


class Invitation(msgspec.Struct, frozen=True):
    id: str
    org_id: str
    org_name: str
    email: str
    role: Role
    invited_by: str  # e-mail address
    created_at: int
    expires_at: int


class Invitations:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def invite(self, by: Visitor, email: str, role: Role) -> str:
        """Into the organization that `by` looks at; a former invitation of the same person ends.

        Returns the token, which nobody can read again. Raises Conflict for a member, TooMany.
        """
        token, at = secrets.token_urlsafe(32), now()
        row = {"id": new_uuid(), "org_id": by.org_id, "email": email, "role": role, "hash": digest(token)}

        def work(session: Session) -> None:
            _refuse(session, by.org_id, email, at)
            session.change("revoke_invitations_for", org_id=by.org_id, email=email, at=at)
            lasts = {"at": at, "expires_at": at + LASTS_S * SECOND}
            session.change("add_invitation", **row, **lasts, invited_by=by.user_id)

        await self._database.run(work, durable=True)
        return token

    async def pending(self, org_id: str) -> list[Invitation]:
        """Newest first."""
        return msgspec.convert(await self._database.read("invitations_in", org_id=org_id, at=now()), list[Invitation])

    async def of_token(self, token: str) -> Invitation | None:
        rows = await self._database.read("invitation_of_token", hash=digest(token), at=now())
        return msgspec.convert(rows[0], Invitation) if rows else None

    async def of_email(self, email: str) -> list[Invitation]:
        """Oldest first."""
        rows = await self._database.read("invitations_for_email", email=email, at=now())
        return msgspec.convert(rows, list[Invitation])

    async def revoke(self, org_id: str, id: str) -> None:
        """Raises NotFound."""
        parameters = {"org_id": org_id, "id": id, "at": now()}
        if not await self._database.run(lambda session: session.change("revoke_invitation", **parameters)):
            raise NotFound("no such invitation waits to be accepted")

    async def accept(self, invitation: Invitation, user_id: str) -> None:
        """For somebody who has an account. Raises Conflict when it has been used, has ended or was revoked."""
        await self._database.run(lambda session: _accept(session, invitation, user_id), durable=True)

    async def accept_as_new(self, invitation: Invitation, newcomer: Newcomer) -> Person:
        """Raises Conflict as `accept` does, and when the e-mail address is taken."""

        def work(session: Session) -> Person:
            person = add_person(session, newcomer)
            _accept(session, invitation, person.id)
            return person

        return await self._database.run(work, durable=True)


def _accept(session: Session, invitation: Invitation, user_id: str) -> None:
    at = now()
    if not session.change("accept_invitation", id=invitation.id, at=at):
        raise Conflict("this invitation cannot be used any more", hint="ask for a new one")
    of = {"org_id": invitation.org_id, "user_id": user_id}
    session.change("add_membership", **of, role=invitation.role, at=at)


def _refuse(session: Session, org_id: str, email: str, at: int) -> None:
    """Raises Conflict and TooMany."""
    user = session.one("user_of_email", email=email)
    if user and session.one("member", org_id=org_id, user_id=user["id"]):
        raise Conflict(f"{email} is a member already")
    if len(session.all("invitations_in", org_id=org_id, at=at)) >= MOST:
        raise TooMany(f"{MOST} invitations wait to be accepted", hint="revoke some of them")
