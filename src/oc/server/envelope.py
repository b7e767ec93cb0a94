"""Errors become answers here, once (contract 1.5)."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket

from oc.model.errors import MethodNotAllowed, OpenComputerError
from oc.server import answers

HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "2"}}  # seconds


def answer(error: OpenComputerError) -> Response:
    response = answers.json(error.body(), error.status)
    response.headers.update(HEADERS.get(error.status, {}))
    return response


async def of_ours(connection: HTTPConnection, error: OpenComputerError) -> Response | None:
    return await _give(connection, answer(error))


async def of_router(connection: HTTPConnection, error: HTTPException) -> Response | None:
    """Raised for a method that a path does not have, with the names of those that it has."""
    response = answer(MethodNotAllowed(f"{connection.scope['method']} is not allowed here"))
    response.headers.update(error.headers or {})
    return await _give(connection, response)


async def _give(connection: HTTPConnection, response: Response) -> Response | None:
    """A WebSocket is refused with an HTTP answer, before its upgrade (contract 3.1)."""
    if isinstance(connection, WebSocket):
        await connection.send_denial_response(response)
        return None
    return response


handlers: dict[Any, Any] = {OpenComputerError: of_ours, HTTPException: of_router}
