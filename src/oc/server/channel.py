"""Passes a WebSocket on to the worker, message for message, in both directions (contract 3.1).

Each direction waits for its receiver, so a slow one holds the sender and nothing piles up here. There are no pings of
our own: while a direction is held, pongs behind it are not read either. The worker's empty messages find dead clients.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from oc.api.calls import Call
from oc.server.activity import Activity
from oc.server.answers import JSON
from oc.server.gate import Gate
from oc.server.hosts import Worker, unavailable
from oc.server.target import target
from oc.store.accounts import Caller

MAX_MESSAGE = 1 << 20  # bytes; what published clients take (contract 3.1)
OPEN_S, CLOSE_S = 30.0, 5.0
ATTACH = "X-OC-Attach"  # our command line's extension of the protocol
AWAY, RESTART = 1001, 1012
UNSPOKEN = frozenset((1004, 1005, 1006, 1015))  # RFC 6455, 7.4.1: reserved, never sent


class Channel:
    def __init__(self, worker: Worker, gate: Gate, activity: Activity) -> None:
        self._worker = worker
        self._gate = gate
        self._activity = activity

    async def __call__(self, client: WebSocket, caller: Caller, call: Call) -> None:
        """Whatever is wrong is answered before the upgrade, as HTTP."""
        sandbox = await self._gate.running(client, caller)
        self._activity.touch(sandbox.id)
        try:
            async with self._connection(client, target(client, call)) as upstream:
                if await _accept(client):
                    await Line(client, upstream, self._activity, sandbox.id).run()
        except InvalidStatus as refused:
            answer = refused.response
            await client.send_denial_response(Response(bytes(answer.body or b""), answer.status_code, media_type=JSON))

    @asynccontextmanager
    async def _connection(self, client: WebSocket, target: str) -> AsyncIterator[ClientConnection]:
        """Raises InvalidStatus when the worker refuses, WorkerUnavailable when it is away."""
        headers = {"X-Request-Id": client.scope["state"]["request_id"]}
        if (attach := client.headers.get(ATTACH)) is not None:
            headers[ATTACH] = attach
        try:
            upstream = await unix_connect(
                str(self._worker.socket),
                f"ws://worker{target}",
                additional_headers=headers,
                compression=None,
                max_size=MAX_MESSAGE,
                ping_interval=None,
                open_timeout=OPEN_S,
                close_timeout=CLOSE_S,
            )
        except InvalidStatus:
            raise
        except (OSError, InvalidHandshake, EOFError) as error:  # TimeoutError is an OSError
            raise unavailable(error) from error
        try:
            yield upstream
        finally:
            await upstream.close(AWAY)  # nothing happens when it is closed already


async def _accept(client: WebSocket) -> bool:
    """False: the client has gone meanwhile."""
    try:
        await client.accept()
    except OSError:  # what an ASGI server raises then
        return False
    return True


class Line:
    """Two pumps. When one side closes, the other is closed with the same code, after all that was said before it."""

    def __init__(self, client: WebSocket, upstream: ClientConnection, activity: Activity, id: str) -> None:
        self._client = client
        self._upstream = upstream
        self._activity = activity
        self._id = id

    async def run(self) -> None:
        pumps = asyncio.create_task(self._down()), asyncio.create_task(self._up())
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            ends = await asyncio.gather(*pumps, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _down(self) -> None:
        """Worker to client."""
        with suppress(WebSocketDisconnect):  # the client went first
            with suppress(ConnectionClosed):  # the worker died: there is no code of its own
                async for message in self._upstream:
                    await self._deliver(message)
            code, reason = self._upstream.close_code, self._upstream.close_reason
            await self._client.close(_sayable(code, RESTART), reason)

    async def _deliver(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            await self._client.send_bytes(message)
        else:
            await self._client.send_text(message)
        if message:  # an empty one is the worker's keepalive, which keeps no idle sandbox alive
            self._activity.touch(self._id)

    async def _up(self) -> None:
        """Client to worker. To close with 1000 gives a reader's place up: a lost client must not become that."""
        while (message := await self._client.receive())["type"] == "websocket.receive":
            self._activity.touch(self._id)
            data = message.get("bytes")
            with suppress(ConnectionClosed):  # `_down` still delivers what the worker said before it closed
                await self._upstream.send(message["text"] if data is None else data)
        await self._upstream.close(_sayable(message["code"], AWAY))


def _sayable(code: int | None, otherwise: int) -> int:
    return otherwise if code is None or code in UNSPOKEN else code
