"""A form of ours asks for what a client of the API could ask for: through the same call, so by the same rules."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from oc.server.api import Api
from oc.server.audit import about, made
from oc.store.web_sessions import Visitor

T = TypeVar("T")


async def call(
    api: Api,
    name: str,
    request: Request,
    visitor: Visitor,
    body: msgspec.Struct | dict[str, Any] | None = None,
    /,
    **parameters: str,
) -> bytes:
    """The body of the answer to a call of `oc.api.calls`, which is JSON or empty. Raises what the call raises.

    The call's path has the parameters of the request's own path, and `parameters`.
    """
    about(request, *parameters.values())
    answer = await api.handlers[name](_asking(request, msgspec.json.encode(body or {}), parameters), visitor.caller)
    about(request, *made(answer))
    if not isinstance(answer, Response):
        raise TypeError(f"{name} does not answer at once")
    return bytes(answer.body)


async def ask(
    kind: type[T], api: Api, name: str, request: Request, visitor: Visitor, body: Any = None, /, **parameters: str
) -> T:
    """As `call`, with the answer read."""
    return msgspec.json.decode(await call(api, name, request, visitor, body, **parameters), type=kind)


def _asking(request: Request, body: bytes, parameters: dict[str, str]) -> Request:
    """After its body it is as connected as the request that it is made of."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return waiting.pop() if waiting else await request.receive()

    return Request({**request.scope, "path_params": request.path_params | parameters}, receive)
