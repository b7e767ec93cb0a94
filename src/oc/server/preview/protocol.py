"""uvicorn's HTTP/1.1, with stricter heads, and with WebSockets of previews joined to their servers inside.

An upgrade for a preview is no WebSocket of ours: the handshake is passed on like a request, and after a 101 the two
connections are joined (contract 3.5). So subprotocols, extensions, pings and compression are between the two ends.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import httptools
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from oc.model.errors import OpenComputerError
from oc.server.preview import failures, pages
from oc.server.preview.client import HEAD_S
from oc.server.preview.dispatch import Dispatch, refused
from oc.server.preview.fields import Fields, Malformed
from oc.server.preview.pages import Page
from oc.server.preview.proxy import Previews
from oc.server.preview.request import Outgoing
from oc.server.preview.response import returned
from oc.server.preview.splice import Splice
from oc.server.preview.upstream import SWITCHING, BadAnswer, Dropped, Head, Late, Upstream
from oc.server.preview_door import Destination

SWITCH: Fields = [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
CLOSE: Fields = [pages.CLOSE]


def protocol(dispatch: Dispatch) -> type[asyncio.Protocol]:
    """For uvicorn's `http` setting, which takes a class."""

    class Bound(Http):
        pass

    Bound.dispatch = dispatch
    return Bound


class Http(HttpToolsProtocol):
    dispatch: ClassVar[Dispatch]

    def on_headers_complete(self) -> None:
        """What is raised here is answered with 400."""
        if not self.url.startswith(b"/"):
            _check_authority(self.url, self.headers)
        super().on_headers_complete()
        self.headers = self.headers.copy()  # trailers, which come later, are no headers of the request

    def handle_websocket_upgrade(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()  # behind a request that has not been answered
            return
        self.transport.pause_reading()
        task = self.loop.create_task(self._upgrade())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _upgrade(self) -> None:
        url = httptools.parse_url(self.url)
        scope: Scope = {**self.scope, "raw_path": url.path, "query_string": url.query or b"", "path": ""}
        try:
            destination = await self.dispatch.destination(scope)
        except OpenComputerError as error:
            refusal = refused(error)
            self.give(Page(refusal.status_code, refusal.raw_headers, bytes(refusal.body)))
            return
        if self.transport.is_closing():
            return
        if destination is None:
            super().handle_websocket_upgrade()
            self.transport.resume_reading()
        else:
            await Upgrade(self, self.dispatch.previews, destination, scope).run()

    def give(self, page: Page) -> None:
        fields = [field for field in page.fields if field not in CLOSE]
        self.write_head(Head(page.status, fields), CLOSE)
        self.transport.write(page.body)
        self.transport.close()

    def write_head(self, head: Head, more: Fields) -> None:
        lines = [b"%s: %s\r\n" % field for field in (*self.server_state.default_headers, *head.fields, *more)]
        self.transport.write(STATUS_LINE[head.status] + b"".join(lines) + b"\r\n")


class Upgrade:
    """One handshake for a preview, and what follows it."""

    def __init__(self, http: Http, previews: Previews, destination: Destination, scope: Scope) -> None:
        self._http = http
        self._previews = previews
        self._destination = destination
        self._scope = scope

    async def run(self) -> None:
        destination = self._destination
        try:
            request = await self._previews.admitted(destination, self._scope, upgrade=True)
            with self._previews.activity.busy(destination.sandbox):
                await self._pass(request)
        except Exception as error:
            page = failures.page(error, destination.sandbox, destination.port, self._scope["headers"])
            self._previews.meter.answered(page.status)
            self._http.give(page)

    async def _pass(self, request: Outgoing) -> None:
        upstream = await self._previews.connect((self._destination.sandbox, self._destination.port))
        try:
            upstream.begin(request.head, upgrade=True)
            head = await _head(upstream)
            self._previews.meter.answered(head.status)
            if head.status == SWITCHING:
                self._join(head, upstream)
            else:
                await self._refused(head, upstream)
        except BaseException:
            upstream.close()
            raise

    def _join(self, head: Head, upstream: Upstream) -> None:
        self._http.write_head(Head(SWITCHING, returned(head)), SWITCH)
        inside, ahead = upstream.taken_over()
        touch = self._previews.activity.touch
        connections: Any = self._http.connections
        connections.discard(self._http)
        Splice(
            self._http.transport,
            inside,
            self._previews.meter,
            lambda: touch(self._destination.sandbox),
            connections,
        ).begin(ahead)

    async def _refused(self, head: Head, upstream: Upstream) -> None:
        """An ordinary answer, whose end is that of the connection."""
        transport = self._http.transport
        self._http.write_head(Head(head.status, returned(head)), CLOSE)
        more = True
        try:
            while more and not transport.is_closing():
                data, more = await upstream.read()
                transport.write(data)
                await self._http.flow.drain()
        except (Dropped, BadAnswer):
            transport.abort()
        upstream.close()
        transport.close()


async def _head(upstream: Upstream) -> Head:
    """Raises what `Upstream.head` raises, and Late."""
    try:
        async with asyncio.timeout(HEAD_S):
            return await upstream.head()
    except TimeoutError:
        raise Late from None


def _check_authority(url: bytes, fields: Fields) -> None:
    """Raises Malformed unless an absolute target names the same host as Host (RFC 9112, 3.2.2)."""
    authority = url.partition(b"://")[2].partition(b"/")[0].partition(b"?")[0]
    if [value.lower() for name, value in fields if name == b"host"] != [authority.lower()]:
        raise Malformed("the target names another host than Host")
