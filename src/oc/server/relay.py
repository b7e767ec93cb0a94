"""Passes a request on to the worker and its answer back, as they come: nothing is kept or changed (design 2.4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from oc.api.calls import Call
from oc.server.activity import Activity
from oc.server.gate import Gate
from oc.server.hosts import BASE, UNLIMITED, Worker, unavailable
from oc.server.target import forwarded, returned, target
from oc.store.accounts import Caller

log = structlog.get_logger()


class Relay:
    def __init__(self, worker: Worker, gate: Gate, activity: Activity) -> None:
        self._worker = worker
        self._gate = gate
        self._activity = activity

    async def __call__(self, request: Request, caller: Caller, call: Call) -> Passage:
        sandbox = await self._gate.running(request, caller)
        return Passage(self._worker, self._activity, sandbox.id, target(request, call))


class Upload(httpx.AsyncByteStream):
    """The client's body, read as the worker takes it; afterwards, the news that the client has left."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            if chunk := message.get("body"):
                yield chunk
            more = message.get("more_body", False)
        self._read.set()

    def skip(self) -> None:
        """There is none."""
        self._read.set()

    async def left(self) -> None:
        """Returns when the client has gone."""
        await self._read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


class Passage:
    """One request's way to the worker and back. What fails before the answer begins is an error of ours."""

    def __init__(self, worker: Worker, activity: Activity, id: str, target: str) -> None:
        self._worker = worker
        self._activity = activity
        self._id = id
        self._target = target

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A client that leaves takes its call with it: the connection to the worker is closed."""
        upload = Upload(receive)
        with self._activity.busy(self._id):
            passing = asyncio.ensure_future(self._pass(self._request(scope, upload), send))
            leaving = asyncio.ensure_future(upload.left())
            try:
                await asyncio.wait((passing, leaving), return_when=asyncio.FIRST_COMPLETED)
                if not passing.done():
                    raise ClientDisconnect
                passing.result()
            finally:
                passing.cancel()
                leaving.cancel()
                await asyncio.gather(passing, leaving, return_exceptions=True)

    def _request(self, scope: Scope, upload: Upload) -> httpx.Request:
        headers = forwarded(scope["headers"], scope["state"]["request_id"])
        names = {name for name, _ in scope["headers"]}
        extensions = {"timeout": UNLIMITED}
        if b"transfer-encoding" in names:
            headers.append((b"transfer-encoding", b"chunked"))
        elif b"content-length" not in names:
            upload.skip()
            return httpx.Request(scope["method"], BASE + self._target, headers=headers, extensions=extensions)
        return httpx.Request(
            scope["method"], BASE + self._target, headers=headers, stream=upload, extensions=extensions
        )

    async def _pass(self, request: httpx.Request, send: Send) -> None:
        response = await self._worker.relay(request)
        try:
            head = {"status": response.status_code, "headers": returned(response.headers.raw)}
            await send({"type": "http.response.start", **head})
            async for chunk in response.stream:  # type: ignore[union-attr]
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except httpx.TransportError as error:
            # The head is out: an answer that stops short of its end is all that is left to say it with.
            raise unavailable(error) from error
        finally:
            await response.aclose()
        await send({"type": "http.response.body", "body": b""})
