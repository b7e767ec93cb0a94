"""The sandboxes of an organization, kept up to date while they are looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from oc.model.sandbox import Status
from oc.server.plane import Plane
from oc.server.sandboxes import MOST_LISTED
from oc.server.statistics import Sample
from oc.store.sandboxes import Sandbox
from oc.store.web_sessions import Visitor
from oc.web.amounts import age
from oc.web.guard import Guard
from oc.web.live import Live, Part
from oc.web.pages import Pages
from oc.web.use import SPARK, Uses, uses

CURRENT = (Status.PENDING, Status.RUNNING, Status.HIBERNATED, Status.ERROR)
STATUSES = {  # word in the address -> label, states
    "": ("Current", CURRENT),
    "running": ("Running", (Status.RUNNING,)),
    "hibernated": ("Hibernated", (Status.HIBERNATED,)),
    "error": ("Failed", (Status.ERROR,)),
    "stopped": ("Stopped", (Status.STOPPED,)),
    "all": ("All", tuple(Status)),
}
MOST_SHOWN = 200


class Question(msgspec.Struct, frozen=True):
    """What is asked for in the address."""

    status: str
    text: str

    @classmethod
    def of(cls, request: Request) -> Question:
        status = request.query_params.get("status", "")
        return cls(status if status in STATUSES else "", request.query_params.get("q", "").strip()[:200])

    def path(self, base: str, **other: str) -> str:
        asked = {name: value for name, value in ({"status": self.status, "q": self.text} | other).items() if value}
        return base + (f"?{urlencode(asked)}" if asked else "")

    def matches(self, row: Sandbox) -> bool:
        """All words are to be found, in its id, template or metadata."""
        texts = [row.id, row.wish.template, *(f"{name}={value}" for name, value in row.wish.metadata.items())]
        return all(any(word in text.casefold() for text in texts) for word in self.text.casefold().split())


@dataclass
class Line:
    """A sandbox in the table."""

    row: Sandbox
    now: Sample | None
    samples: Callable[[str], Sequence[Sample]]

    @property
    def age(self) -> str:
        return age(self.row.created_at)

    @cached_property
    def uses(self) -> Uses:
        samples = self.samples(self.row.id) if self.now else ()
        return uses(samples, self.now, self.row.wish.size, SPARK, self.now.at if self.now else time.time())

    def marks(self) -> dict[str, Any]:
        """Of its cells that change, by name of the cell."""
        status = self.row.status
        return {"state": status, "cpu": self.now, "memory": self.now, "age": self.age, "actions": status}


class Sandboxes:
    def __init__(self, plane: Plane, guard: Guard, pages: Pages, live: Live) -> None:
        self._plane = plane
        self._guard = guard
        self._pages = pages
        self._live = live

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/", self._guard.page(self.show)),
            Route("/sandboxes", _to_list),
            Route("/sandboxes/live", self._live.stream(self.parts)),
        ]

    async def show(self, request: Request, visitor: Visitor) -> Response:
        question = Question.of(request)
        found, lines = await self._lines(visitor, question)
        context = self._context(visitor, question, found, lines)
        nothing = not found and not await self._plane.store.sandboxes.of_organization(visitor.org_id, tuple(Status), 1)
        return self._pages.show(request, "sandboxes.html", visitor, statuses=STATUSES, nothing=nothing, **context)

    async def parts(self, request: Request, visitor: Visitor) -> Sequence[Part]:
        question = Question.of(request)
        found, lines = await self._lines(visitor, question)
        context = self._context(visitor, question, found, lines)
        piece = self._pages.pieces("fragments/sandbox_row.html")
        inside = [
            Part(f"{line.row.id}.{cell}", mark, partial(getattr(piece, cell), line, context["here"], visitor))
            for line in lines
            for cell, mark in line.marks().items()
        ]
        table = partial(self._pages.html, "fragments/sandboxes.html", visitor=visitor, **context)
        return [Part("sandboxes", [line.row.id for line in lines], table, inside)]

    async def _lines(self, visitor: Visitor, question: Question) -> tuple[int, list[Line]]:
        """How many there are, and those that are shown."""
        _, states = STATUSES[question.status]
        rows = await self._plane.store.sandboxes.of_organization(visitor.org_id, states, MOST_LISTED)
        found = [row for row in rows if question.matches(row)]
        return len(found), [self._line(row) for row in found[:MOST_SHOWN]]

    def _line(self, row: Sandbox) -> Line:
        statistics = self._plane.statistics
        return Line(row, statistics.now(row.id) if row.status is Status.RUNNING else None, statistics.of)

    def _context(self, visitor: Visitor, question: Question, found: int, lines: list[Line]) -> dict[str, Any]:
        return {
            "question": question,
            "found": found,
            "lines": lines,
            "here": question.path("/"),
            "live": question.path("/sandboxes/live"),
        }


async def _to_list(_: Request) -> Response:
    return RedirectResponse("/", 308)
