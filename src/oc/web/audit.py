"""The audit log, for admins."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from oc.api.timestamps import SECOND, now
from oc.server.audit_calls import NEWEST, cursor, place
from oc.store.audit import Audit, Question
from oc.store.web_sessions import Visitor
from oc.web.guard import Guard
from oc.web.members import need_admin
from oc.web.pages import Pages

PAGE = "/settings/audit"
MOST_SHOWN = 100
LONGEST = 200
PERIODS_S = {"": 0, "1h": 3600, "1d": 86_400, "7d": 7 * 86_400, "30d": 30 * 86_400}
PERIODS = {"": "Any time", "1h": "Last hour", "1d": "Last day", "7d": "Last 7 days", "30d": "Last 30 days"}
FIELDS = ("period", "call", "object", "actor")


class AuditPages:
    def __init__(self, rows: Audit, guard: Guard, pages: Pages) -> None:
        self._rows = rows
        self._guard = guard
        self._pages = pages

    def routes(self) -> list[BaseRoute]:
        return [Route(PAGE, self._guard.page(self.show), methods=["GET"])]

    async def show(self, request: Request, visitor: Visitor) -> Response:
        need_admin(visitor)
        asked = {name: request.query_params.get(name, "").strip()[:LONGEST] for name in FIELDS}
        begun = place(request.query_params.get("cursor", ""))
        question = Question(_since(asked["period"]), asked["call"], asked["object"], asked["actor"])
        entries, older = await self._rows.page(visitor.org_id, question, begun or NEWEST, MOST_SHOWN)
        return self._pages.show(
            request,
            "audit.html",
            visitor,
            entries=entries,
            older=_path(asked, cursor(older)) if older else None,
            newest=_path(asked) if begun else None,
            asked=asked,
            periods=PERIODS,
            filtered=any(asked.values()),
        )


def _since(period: str) -> int:
    seconds = PERIODS_S.get(period, 0)
    return now() - seconds * SECOND if seconds else 0


def _path(asked: dict[str, str], cursor: str | None = None) -> str:
    given = {name: value for name, value in (asked | {"cursor": cursor or ""}).items() if value}
    return PAGE + (f"?{urlencode(given)}" if given else "")
