"""Browsers that are signed in. A session's cookie is kept as its SHA-256 only."""

from __future__ import annotations

import secrets
from typing import Literal

import msgspec

from oc.api.timestamps import SECOND, now
from oc.store.accounts import Caller, digest
from oc.store.database import Database, Session

LASTS_S = 14 * 86_400
Role = Literal["admin", "member"]


class Visitor(msgspec.Struct, frozen=True):
    """A person who is signed in, and the organization that they look at."""

    session: str
    csrf: str
    user_id: str
    email: str
    name: str
    org_id: str
    org_name: str
    role: Role

    @property
    def caller(self) -> Caller:
        return Caller(self.org_id, self.org_name, user_id=self.user_id, email=self.email, role=self.role)

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"


class WebSessions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, user_id: str, org_id: str) -> str:
        """Returns the cookie, which nobody can read again. It is never one that a browser has brought along."""
        cookie, at = secrets.token_urlsafe(32), now()

        def work(session: Session) -> None:
            session.change("forget_web_sessions", at=at)
            session.change(
                "add_web_session",
                hash=digest(cookie),
                user_id=user_id,
                org_id=org_id,
                csrf=secrets.token_urlsafe(32),
                at=at,
                expires_at=at + LASTS_S * SECOND,
            )

        await self._database.run(work, durable=True)
        return cookie

    async def visitor(self, cookie: str) -> Visitor | None:
        rows = await self._database.read("visitor", hash=digest(cookie), at=now())
        return msgspec.convert(rows[0], Visitor) if rows else None

    async def end(self, session: str) -> None:
        await self._database.run(lambda work: work.change("end_web_session", hash=session), durable=True)

    async def end_others(self, visitor: Visitor) -> None:
        """Of the same person, everywhere else."""
        parameters = {"user_id": visitor.user_id, "kept": visitor.session}
        await self._database.run(lambda work: work.change("end_web_sessions_of", **parameters), durable=True)

    async def count_others(self, visitor: Visitor) -> int:
        """Of the same person."""
        rows = await self._database.read("other_web_sessions", user_id=visitor.user_id, kept=visitor.session, at=now())
        return int(rows[0]["others"])

    async def switch(self, visitor: Visitor, org_id: str) -> None:
        """To another organization; whether they belong to it is looked at by every request (`visitor`)."""
        parameters = {"session": visitor.session, "org_id": org_id}
        await self._database.run(lambda work: work.change("switch_web_session", **parameters))
