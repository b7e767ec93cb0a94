"""Routes from the table of calls: each path one resource, each call behind the door unless the table says otherwise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Protocol

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from oc.api.calls import CALLS, PREFIX, Call, Kind
from oc.model.errors import BadRequest
from oc.server.audit import Trail, Watch, about, is_audited, made
from oc.server.channel import Channel
from oc.server.relay import Relay
from oc.store.accounts import Caller

Handler = Callable[[Request, Caller], Awaitable[ASGIApp]]
OLD_PTY = "/sandboxes/{id}/pty/{session}"  # the published Python client leaves the prefix out (contract 3.2)


class Admit(Protocol):
    async def admit(self, connection: HTTPConnection) -> Caller:
        """Whose request it is. Raises Unauthorized, and Forbidden."""
        ...


class Endpoint:
    """One call over HTTP."""

    def __init__(self, call: Call, handler: Handler, door: Admit, trail: Trail) -> None:
        self._call = call
        self._handler = handler
        self._door = door
        self._trail = trail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        scope["state"]["route"] = self._call.name
        caller = await self._door.admit(request)
        scope["state"]["org"] = caller.org_id
        if is_audited(self._call):
            async with Watch(self._trail, request, caller, self._call.name, send) as watch:
                await self._answer(request, caller, watch.send)
        else:
            await self._answer(request, caller, send)

    async def _answer(self, request: Request, caller: Caller, send: Send) -> None:
        answer = await self._handler(request, caller)
        about(request, *made(answer))
        await answer(request.scope, request.receive, send)


class Upgrade:
    """One call over a WebSocket."""

    def __init__(self, call: Call, channel: Channel, door: Admit, trail: Trail) -> None:
        self._call = call
        self._channel = channel
        self._door = door
        self._trail = trail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = WebSocket(scope, receive, send)
        scope["state"]["route"] = self._call.name
        caller = await self._door.admit(client)
        scope["state"]["org"] = caller.org_id
        async with Watch(self._trail, client, caller, self._call.name, send) as watch:
            await self._channel(WebSocket(scope, receive, watch.send), caller, self._call)


class Resource:
    """The calls of one path, by method. HEAD is answered as GET; the server leaves the body out.

    It takes any method, so that a literal path is never mistaken for a parameter of the next (contract 9.8).
    """

    def __init__(self, endpoints: Mapping[str, ASGIApp]) -> None:
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get("GET" if scope["method"] == "HEAD" else scope["method"])
        if endpoint is None:
            raise HTTPException(405, headers={"Allow": ", ".join(self._endpoints)})
        await endpoint(scope, receive, send)


def routes(
    handlers: Mapping[str, Handler],
    relay: Relay,
    channel: Channel,
    door: Admit,
    trail: Trail,
    prefix: str = PREFIX,
) -> list[BaseRoute]:
    """`handlers` by name of call, for those that the control plane answers itself."""
    paths: dict[str, dict[str, ASGIApp]] = {}
    upgrades: list[BaseRoute] = []
    for call in CALLS:
        handler = handlers[call.name] if call.kind is Kind.OWN else _passing(call, relay)
        paths.setdefault(prefix + call.path, {})[call.method] = Endpoint(call, handler, door, trail)
        if call.kind is Kind.CHANNEL:
            upgrades.append(WebSocketRoute(prefix + call.path, Upgrade(call, channel, door, trail)))
            if call.path == OLD_PTY and prefix == PREFIX:
                upgrades.append(WebSocketRoute(OLD_PTY, Upgrade(call, channel, door, trail)))
    resources = [Route(path, Resource(endpoints)) for path, endpoints in paths.items()]
    return [*resources, *upgrades]


def _passing(call: Call, relay: Relay) -> Handler:
    return _needs_upgrade if call.kind is Kind.CHANNEL else partial(_relayed, relay, call)


async def _relayed(relay: Relay, call: Call, request: Request, caller: Caller) -> ASGIApp:
    return await relay(request, caller, call)


async def _needs_upgrade(_: Request, __: Caller) -> ASGIApp:
    raise BadRequest("this call is a WebSocket: ask for an upgrade", hint="attach with `oc exec attach`")
