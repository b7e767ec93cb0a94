"""The audit log, to be read by admins and by keys that are no mere member's."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from oc.api.bodies import AuditEntry, AuditPage
from oc.api.timestamps import SECOND, rfc3339
from oc.model.errors import BadRequest, Forbidden
from oc.server import answers
from oc.store.accounts import Caller
from oc.store.audit import Audit, Entry, Place, Question

DEFAULT, MOST = 100, 500
NEWEST = Place(1 << 62, "")
_CURSOR = re.compile(r"([0-9]{1,18})\.([0-9a-f/-]{1,80})")


class AuditCalls:
    def __init__(self, rows: Audit) -> None:
        self._rows = rows

    async def list(self, request: Request, caller: Caller) -> Response:
        if not caller.may_audit:
            raise Forbidden("only admins of the organization may see the audit log", hint="ask one of them")
        asked = request.query_params
        question = Question(
            instant("since", asked.get("since", "")) or 0,
            asked.get("call", ""),
            asked.get("object", ""),
            asked.get("actor", ""),
        )
        until = instant("until", asked.get("until", ""))
        before = place(asked.get("cursor", "")) or (NEWEST if until is None else Place(until, ""))
        entries, older = await self._rows.page(caller.org_id, question, before, _limit(asked.get("limit", "")))
        return answers.json(AuditPage([shown(entry) for entry in entries], cursor(older)))


def cursor(place: Place | None) -> str | None:
    return None if place is None else f"{place.at}.{place.id}"


def place(text: str) -> Place | None:
    """Raises BadRequest."""
    if not text:
        return None
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise BadRequest("cursor is not one that this server has given")
    return Place(int(match[1]), match[2])


def instant(field: str, text: str) -> int | None:
    """Raises BadRequest."""
    try:
        moment = datetime.fromisoformat(text) if text else None
        return None if moment is None else int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * SECOND)
    except (ValueError, OverflowError):
        raise BadRequest(f"{field} is not a time", hint="write it as 2026-01-02T03:04:05Z") from None


def shown(entry: Entry) -> AuditEntry:
    return AuditEntry(
        id=entry.id,
        at=rfc3339(entry.at) or "",
        actor=entry.actor,
        actor_kind=entry.actor_kind,
        address=entry.address,
        call=entry.call,
        object=entry.object,
        status=entry.status,
        request_id=entry.request_id,
    )


def _limit(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(MOST)) else 0
    if text and not 1 <= number <= MOST:
        raise BadRequest(f"limit must be from 1 to {MOST}")
    return number or DEFAULT
