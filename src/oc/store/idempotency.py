"""Answers that are remembered for a day, so that a request sent twice under one key is done once (design 7)."""

from __future__ import annotations

import msgspec

from oc.api.timestamps import SECOND, now
from oc.store.database import Database, Session

KEPT_S = 86_400


class Claim(msgspec.Struct, frozen=True):
    """What is known of a key: the request it came with, what that makes, and how it was answered."""

    request_hash: str
    subject: str | None
    answer: str | None


class Idempotency:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, org_id: str, key: str, request_hash: str) -> Claim:
        """The first request's claim: ours when the key is new."""

        def work(session: Session) -> Claim:
            session.change("forget_claims", before=now() - KEPT_S * SECOND)
            session.change("claim", org_id=org_id, key=key, request_hash=request_hash, at=now())
            return msgspec.convert(session.one("claimed", org_id=org_id, key=key), Claim)

        return await self._database.run(work)

    async def keep(self, org_id: str, key: str, answer: str) -> None:
        await self._database.run(lambda session: session.change("keep_answer", org_id=org_id, key=key, answer=answer))
