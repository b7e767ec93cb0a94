"""Passes requests for preview hosts into sandboxes, and answers back, as they come (contract 2.9.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from oc.model.errors import MethodNotAllowed
from oc.server.activity import Activity
from oc.server.preview import failures, tunnel
from oc.server.preview.client import Client
from oc.server.preview.fields import Fields
from oc.server.preview.meter import Meter
from oc.server.preview.pages import Page
from oc.server.preview.pool import Place, Pool
from oc.server.preview.request import REFUSED_METHODS, Outgoing
from oc.server.preview.response import returned
from oc.server.preview.upstream import BadAnswer, Dropped, Upstream
from oc.server.preview_door import Destination


class Door(Protocol):
    async def destination(self, host: str) -> Destination | None:
        """Of a Host header; None: the request is for the API or the dashboard."""
        ...

    async def admit(self, destination: Destination, headers: Fields) -> frozenset[bytes]:
        """Waits until the sandbox runs. Names of headers that are not to be passed on. Raises OpenComputerError."""
        ...


class BrokenOff(Exception):  # noqa: N818 - as in model.errors
    """The head is out, and what was to follow does not come."""


class Previews:
    def __init__(self, socket: Path, door: Door, activity: Activity, meter: Meter) -> None:
        self.door = door
        self.activity = activity
        self.meter = meter
        self._socket = socket
        self._pool = Pool()

    async def __call__(self, destination: Destination, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. To return before the end of its answer makes the server break the client's connection off."""
        try:
            request = await self.admitted(destination, scope)
            with self.activity.busy(destination.sandbox):
                await self._pass(destination, request, receive, send)
        except (ClientDisconnect, BrokenOff):
            self.meter.left()
        except Exception as error:
            page = failures.page(error, destination.sandbox, destination.port, scope["headers"])
            self.meter.answered(page.status)
            await _give(page, send)

    async def admitted(self, destination: Destination, scope: Scope, upgrade: bool = False) -> Outgoing:
        """The request as it goes on. Raises what the door raises, Malformed and MethodNotAllowed.

        Nothing may be awaited from here to where the sandbox's use is noted (`Door.admit`).
        """
        if scope["method"] in REFUSED_METHODS:
            raise MethodNotAllowed(f"{scope['method']} is not allowed here")
        return Outgoing(scope, await self.door.admit(destination, scope["headers"]), upgrade)

    async def connect(self, place: Place) -> Upstream:
        """Raises Unreachable."""
        upstream = Upstream()
        await tunnel.persist(self._socket, *place, upstream)
        return upstream

    def close(self) -> None:
        self._pool.close()

    async def _pass(self, destination: Destination, request: Outgoing, receive: Receive, send: Send) -> None:
        """A used connection may end just when it is used again: the request is sent anew then, if that does no harm.

        Other requests have connections of their own, before and after: a server inside that does not read a body to
        its end would take the rest of it for the next visitor's request.
        """
        place = destination.sandbox, destination.port
        if request.repeatable and (used := self._pool.take(place)) is not None:
            try:
                return await self._exchange(used, place, request, receive, send)
            except Dropped as dropped:
                if dropped.began:
                    raise
        return await self._exchange(await self.connect(place), place, request, receive, send)

    async def _exchange(
        self, upstream: Upstream, place: Place, request: Outgoing, receive: Receive, send: Send
    ) -> None:
        client = Client(receive, request, upstream, self.meter.inward)
        upstream.begin(request.head, answer_has_body=request.method != "HEAD")
        client.start()
        try:
            head = await upstream.head()
            await send({"type": "http.response.start", "status": head.status, "headers": returned(head)})
            self.meter.answered(head.status)
            await self._pass_body(upstream, send)
        finally:
            client.stop()
            if upstream.finish() and request.repeatable:
                self._pool.give(place, upstream)
            else:
                upstream.close()

    async def _pass_body(self, upstream: Upstream, send: Send) -> None:
        more = True
        try:
            while more:
                data, more = await upstream.read()
                await send({"type": "http.response.body", "body": data, "more_body": more})
                self.meter.outward.inc(len(data))
        except (Dropped, BadAnswer) as error:
            raise BrokenOff from error


async def _give(page: Page, send: Send) -> None:
    await send({"type": "http.response.start", "status": page.status, "headers": page.fields})
    await send({"type": "http.response.body", "body": page.body})
