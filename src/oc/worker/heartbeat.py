"""An answer that may take long: after ten seconds its head and then a space now and then keep the client listening.

JSON parsers skip leading spaces; clients give up after 30 s without a byte (contract 2.2.1). What fails before that
keeps its real status.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from oc.model.errors import OpenComputerError
from oc.worker.side_by_side import first_of, side_by_side, until_gone

FIRST_S = 10.0
EVERY_S = 10.0
HEADERS = [(b"content-type", b"application/json")]


class Heartbeat:
    """ASGI answer with the result of `work`, a JSON object. `work` is cancelled when the client goes away."""

    def __init__(
        self, work: Coroutine[Any, Any, dict[str, Any]], first_s: float = FIRST_S, every_s: float = EVERY_S
    ) -> None:
        self._work = work
        self._first_s = first_s
        self._every_s = every_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with side_by_side(self._work, until_gone(receive)) as (work, gone):
            await first_of(work, gone, timeout_s=self._first_s)
            if work.done():
                body = msgspec.json.encode(work.result())
                await Response(body, media_type="application/json")(scope, receive, send)
            elif not gone.done():
                await self._beat(work, gone, send)

    async def _beat(self, work: asyncio.Task[dict[str, Any]], gone: asyncio.Task[None], send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        while not work.done() and not gone.done():
            await send({"type": "http.response.body", "body": b" ", "more_body": True})
            await asyncio.wait((work, gone), timeout=self._every_s, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await send({"type": "http.response.body", "body": msgspec.json.encode(_late(work))})


def _late(work: asyncio.Task[dict[str, Any]]) -> dict[str, Any]:
    """The status has been sent: a failure can only be told in the body (contract 2.2.1)."""
    try:
        return work.result()
    except OpenComputerError as error:
        return {"exitCode": -1, "stdout": "", "stderr": error.text, **error.body()}
