"""Errors become answers here, once: the envelope of contract 1.5."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response

from oc.model.errors import MethodNotAllowed, NotFound, OpenComputerError

RETRY_AFTER = {503: {"Retry-After": "2"}}  # seconds, contract 1.5
OF_STATUS = {404: NotFound, 405: MethodNotAllowed}


def answer(error: OpenComputerError) -> Response:
    return Response(msgspec.json.encode(error.body()), error.status, RETRY_AFTER.get(error.status), "application/json")


async def _ours(_: HTTPConnection, error: OpenComputerError) -> Response:
    return answer(error)


async def _of_router(connection: HTTPConnection, error: HTTPException) -> Response:
    kind = OF_STATUS.get(error.status_code)
    what = f"{connection.scope.get('method', 'WebSocket')} {connection.url.path}"
    if kind is None:
        return Response(
            msgspec.json.encode({"error": error.detail}), error.status_code, error.headers, "application/json"
        )
    made = answer(kind(f"{what}: {error.detail.lower()}"))
    made.headers.update(error.headers or {})  # Allow
    return made


async def _left(_: HTTPConnection, __: ClientDisconnect) -> Response:
    return Response(status_code=400)  # nobody reads it: the client went away amid its request


async def _unexpected(_: HTTPConnection, __: Exception) -> Response:
    # Starlette raises the error again after the answer, so that it is logged with its trace.
    return answer(OpenComputerError("something went wrong in the worker; its log has the details"))


handlers: dict[Any, Any] = {
    OpenComputerError: _ours,
    HTTPException: _of_router,
    ClientDisconnect: _left,
    Exception: _unexpected,
}
