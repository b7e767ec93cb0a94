"""What is done for every request: its id, its line in the log, its time, and an answer when all else has failed."""

from __future__ import annotations

import re
import secrets
import time

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from oc.model.errors import OpenComputerError
from oc.server.envelope import answer
from oc.server.metrics import Metrics

HEADER = b"x-request-id"
_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
HEADS = frozenset(("http.response.start", "websocket.http.response.start", "websocket.accept"))
SWITCHED, LEFT = 101, 499  # 499: the client went away before it was answered, as nginx writes it
log = structlog.get_logger()


class Exchange:
    """One request and what became of it."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.id = next((value for name, value in scope["headers"] if name == HEADER and _ID.fullmatch(value)), b"")
        self.id = self.id or secrets.token_hex(8).encode()
        self.status = 0
        self._scope = scope
        self._send = send
        self._began = time.perf_counter()

    async def send(self, message: Message) -> None:
        if message["type"] in HEADS:
            self.status = message.get("status", SWITCHED)
            message["headers"] = [*message.get("headers", ()), (HEADER, self.id)]
        await self._send(message)

    def finish(self, metrics: Metrics) -> None:
        """Neither path nor query are logged: they hold names of files, and sometimes keys."""
        seconds = time.perf_counter() - self._began
        state = self._scope["state"]
        route, status = state.get("route", "none"), self.status or LEFT
        metrics.observe(route, status, seconds)
        milliseconds = round(seconds * 1000, 1)
        log.info("request", id=self.id.decode(), route=route, org=state.get("org"), status=status, ms=milliseconds)


class Edge:
    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, send)
        scope["state"] = {"request_id": exchange.id.decode()}
        try:
            await self._app(scope, receive, exchange.send)
        except ClientDisconnect:
            return  # nobody left to answer; `finish` logs it
        except Exception as error:
            await self._fail(exchange, error, scope, receive)
        finally:
            exchange.finish(self._metrics)

    async def _fail(self, exchange: Exchange, error: Exception, scope: Scope, receive: Receive) -> None:
        """After the head nothing can be said: returning before the end makes the server break the connection off."""
        if isinstance(error, OpenComputerError):
            log.warning("answer broke off", id=exchange.id.decode(), error=error.text)
        else:
            log.exception("unexpected error", id=exchange.id.decode())
        if exchange.status:
            return
        response = answer(OpenComputerError(f"something went wrong here; its id in the log is {exchange.id.decode()}"))
        if scope["type"] == "websocket":
            await WebSocket(scope, receive, exchange.send).send_denial_response(response)
        else:
            await response(scope, receive, exchange.send)
