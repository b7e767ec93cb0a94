"""Pages that stay up to date: a stream of the parts of a page that have changed (server-sent events; HTML, 9.2).

`live.js` puts each part in the place of the element that has its id.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from oc.model.errors import OpenComputerError, TooMany
from oc.store.web_sessions import Visitor
from oc.web.guard import Guard

TICK_S = 0.5
LOOK_S = 3.0  # what rows do not tell is looked at so often: use, age, and what runs
BEAT_S = 15.0  # proxies cut what says nothing for a minute
MOST_STREAMS = 6  # of one person: browsers open no more connections to one server of HTTP/1.1
STREAM = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}
END = b"event: end\ndata:\n\n"  # the page is to be loaded anew
BEAT = b":\n\n"


class Part(NamedTuple):
    """An element with an id. It is sent when its mark has changed, otherwise those of its inner parts that have."""

    id: str
    mark: Any  # what it shows, to be compared: equal marks look alike
    draw: Callable[[], str]
    inside: Sequence[Part] = ()


Look = Callable[[Request, Visitor], Awaitable[Sequence[Part]]]


class Live:
    def __init__(self, guard: Guard, stopping: asyncio.Event, version: Callable[[], int]) -> None:
        """`version`: another one whenever rows have changed."""
        self._guard = guard
        self._stopping = stopping
        self._version = version
        self._streams: Counter[str] = Counter()  # by person

    def stream(self, look: Look) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint that sends what `look` gives, when it has changed. It ends when its visitor is signed out."""

        async def begin(request: Request, visitor: Visitor) -> Response:
            if self._streams[visitor.user_id] >= MOST_STREAMS:
                raise TooMany(f"more than {MOST_STREAMS} pages are kept up to date for you", hint="close some")
            await look(request, visitor)  # raises what can be said while there is no answer yet
            return StreamingResponse(self._told(request, visitor, look), headers=HEADERS, media_type=STREAM)

        page = self._guard.page(begin)

        async def endpoint(request: Request) -> Response:
            if await self._guard.visitor(request) is None:
                return Response(END, headers=HEADERS, media_type=STREAM)
            return await page(request)

        return endpoint

    async def _told(self, request: Request, visitor: Visitor, look: Look) -> AsyncIterator[bytes]:
        self._streams[visitor.user_id] += 1
        try:
            async for event in self._events(request, visitor, look):
                yield event
        finally:
            self._streams[visitor.user_id] -= 1

    async def _events(self, request: Request, visitor: Visitor, look: Look) -> AsyncIterator[bytes]:
        sent: dict[str, Any] = {}
        spoken = time.monotonic()
        async for _ in self._turns():
            if await self._guard.visitor(request) != visitor:
                yield END
                return
            try:
                news = message(await look(request, visitor), sent)
            except OpenComputerError:  # what the page is about is not there any more, or nobody can tell for a moment
                news = b""
            if news or time.monotonic() - spoken > BEAT_S:
                spoken = time.monotonic()
                yield news or BEAT

    async def _turns(self) -> AsyncIterator[None]:
        """Whenever rows have changed, and from time to time, until the server stops."""
        while not self._stopping.is_set():
            version, looked = self._version(), time.monotonic()
            yield
            while version == self._version() and time.monotonic() - looked < LOOK_S and not self._stopping.is_set():
                await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(TICK_S):
                await self._stopping.wait()
        except TimeoutError:
            return  # what is expected


def message(parts: Sequence[Part], sent: dict[str, Any]) -> bytes:
    """An event with what `sent` does not have yet, which then has it; empty when there is nothing new."""
    html = "".join(_changed(parts, sent))
    return "".join(f"data: {line}\n" for line in html.splitlines()).encode() + b"\n" if html else b""


def _changed(parts: Sequence[Part], sent: dict[str, Any]) -> Iterator[str]:
    for part in parts:
        if part.id in sent and sent[part.id] == part.mark:
            yield from _changed(part.inside, sent)
        else:
            _note(part, sent)
            yield part.draw()


def _note(part: Part, sent: dict[str, Any]) -> None:
    sent[part.id] = part.mark
    for inner in part.inside:
        _note(inner, sent)
