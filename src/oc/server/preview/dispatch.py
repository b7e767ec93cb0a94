"""Which requests are for previews, by their Host header: decided before anything else looks at them (contract 9.9)."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from oc.model.errors import BadRequest, OpenComputerError
from oc.server.envelope import answer
from oc.server.preview.fields import Fields
from oc.server.preview.proxy import Previews
from oc.server.preview_door import Destination


class Dispatch:
    """The whole server as an application: previews, and what is the server's own."""

    def __init__(self, app: ASGIApp, previews: Previews) -> None:
        self._app = app
        self.previews = previews

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            destination = await self.destination(scope)
        except OpenComputerError as error:
            await _refuse(error, scope, receive, send)
            return
        if destination is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self.previews(destination, scope, receive, send)
        else:
            await _refuse(BadRequest("no upgrade"), scope, receive, send)  # previews' own do not come here: `protocol`

    async def destination(self, scope: Scope) -> Destination | None:
        """Raises BadRequest, and what the door raises."""
        if scope["type"] not in {"http", "websocket"}:
            return None
        return await self.previews.door.destination(host(scope["headers"], scope["http_version"]))


def host(fields: Fields, version: str) -> str:
    """Raises BadRequest unless there is exactly one (RFC 9112, 3.2); HTTP/1.0 may have none."""
    hosts = [value for name, value in fields if name == b"host"]
    if len(hosts) > 1 or (not hosts and version != "1.0"):
        raise BadRequest("a request has exactly one Host header")
    return hosts[0].decode("latin-1") if hosts else ""


async def _refuse(error: OpenComputerError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(refused(error))
    else:
        await refused(error)(scope, receive, send)


def refused(error: OpenComputerError) -> Response:
    """And the connection is closed."""
    response = answer(error)
    response.headers["Connection"] = "close"
    return response
