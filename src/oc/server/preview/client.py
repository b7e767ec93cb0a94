"""The client while its answer is awaited: the body that it sends, and whether it is still there."""

from __future__ import annotations

import asyncio

from prometheus_client import Counter
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from oc.server.preview.request import Outgoing
from oc.server.preview.upstream import Late, Upstream

LOOK_AFTER_S = 0.1  # most answers come sooner: for those nobody needs to watch whether the client stays
HEAD_S = 60.0  # from the end of the request to the head of the answer (contract 2.9.2)


class Client:
    """`start` before the answer is awaited, `stop` after."""

    def __init__(self, receive: Receive, request: Outgoing, upstream: Upstream, count: Counter) -> None:
        self._receive = receive
        self._request = request
        self._upstream = upstream
        self._count = count
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._request.body:
            self._attend()
        else:
            self._upstream.sent()
            self._timer = asyncio.get_running_loop().call_later(LOOK_AFTER_S, self._attend)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _attend(self) -> None:
        self._task = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        try:
            if self._request.body:
                await self._pass_body()
                self._upstream.sent()
            self._timer = asyncio.get_running_loop().call_later(HEAD_S, self._late)
            while (await self._receive())["type"] != "http.disconnect":
                pass
        except ClientDisconnect:
            pass
        self._upstream.fail(ClientDisconnect())

    async def _pass_body(self) -> None:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            data, more = message.get("body", b""), message.get("more_body", False)
            self._count.inc(len(data))
            if self._request.chunked:
                data = _encoded(data, more)
            if data:
                await self._upstream.send(data)

    def _late(self) -> None:
        if not self._upstream.answered:
            self._upstream.fail(Late())


def _encoded(data: bytes, more: bool) -> bytes:
    """RFC 9112, 7.1."""
    chunk = b"%x\r\n%s\r\n" % (len(data), data) if data else b""
    return chunk if more else chunk + b"0\r\n\r\n"
