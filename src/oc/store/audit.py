"""Who did what, to what, from where, and what came of it. Rows are added and, one day, forgotten; never changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from oc.api.timestamps import now
from oc.model.ids import new_uuid
from oc.store.database import Database, Session

Kind = Literal["key", "person", "host"]
MOST_SCANNED = 20_000  # rows that one page looks at: statements take turns, so none may take long
FORGOTTEN_AT_ONCE = 5_000
LONGEST_ACTOR, LONGEST_OBJECT = 400, 700
HOST = "host"
EVERYWHERE, OF_PERSON = "everywhere", "person"  # instead of an organization: all, or those that the actor belongs to
_ADD = {EVERYWHERE: "add_audit_everywhere", OF_PERSON: "add_audit_of_person"}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    id: str = msgspec.field(default_factory=new_uuid)
    org_id: str  # or EVERYWHERE, or OF_PERSON, when it is added
    at: int = msgspec.field(default_factory=now)
    actor: str
    actor_kind: Kind
    address: str = ""
    call: str
    object: str = ""
    status: int = 0
    request_id: str = ""


def by_host(org_id: str, call: str, object: str = "") -> Entry:
    """What somebody has done on the host itself, who is its administrator."""
    return Entry(org_id=org_id, actor=HOST, actor_kind="host", call=call, object=object)


class Place(msgspec.Struct, frozen=True):
    """Between two entries: what is older comes next."""

    at: int
    id: str


class Question(msgspec.Struct, frozen=True):
    """What is empty is not asked for. `object`: one of its ids; `actor`: a part of it, in any case."""

    since: int = 0
    call: str = ""
    object: str = ""
    actor: str = ""


class Audit:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entries: Sequence[Entry], *, durable: bool = False) -> None:
        """All, or none."""

        def work(session: Session) -> None:
            for entry in entries:
                _add(session, entry)

        await self._database.run(work, durable=durable)

    async def page(self, org_id: str, question: Question, before: Place, most: int) -> tuple[list[Entry], Place | None]:
        """Newest first, and where to go on; None when there is nothing older. It may be short, or even empty."""
        among = {"org_id": org_id, "since": question.since, "before": before.at, "before_id": before.id}
        among |= {"scanned": MOST_SCANNED}
        actor = f"%{_literal(question.actor.lower())}%"
        object = f"%/{_literal(question.object)}/%" if question.object else "%"
        sought = {"call": question.call, "object": object, "actor": actor, "most": most}
        entries = msgspec.convert(await self._database.read("audit", **among, **sought), list[Entry])
        if len(entries) == most:
            return entries, Place(entries[-1].at, entries[-1].id)
        ends = await self._database.read("audit_scanned", **among)
        return entries, msgspec.convert(ends[0], Place) if ends else None

    async def forget(self, before: int) -> bool:
        """Some of what is older. False: nothing is left of it."""
        row = {"before": before, "most": FORGOTTEN_AT_ONCE}
        number = await self._database.run(lambda session: session.change("forget_audit", **row))
        return number == FORGOTTEN_AT_ONCE


def _add(session: Session, entry: Entry) -> None:
    row = msgspec.structs.asdict(entry)
    row |= {"actor": entry.actor[:LONGEST_ACTOR], "object": entry.object[:LONGEST_OBJECT]}
    query = _ADD.get(entry.org_id, "add_audit")
    if query != "add_audit":
        del row["org_id"]
    session.change(query, **row)


def _literal(text: str) -> str:
    for mark in "!%_":
        text = text.replace(mark, f"!{mark}")
    return text
