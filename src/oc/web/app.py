"""The dashboard, put together: pages for people, and the API again for the scripts of those pages."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from oc.server.api import Api
from oc.server.plane import Plane
from oc.web.guard import Guard
from oc.web.pages import Pages

API = "/app/api"  # as /api, with the cookie and the token of a session instead of a key
FOR_EVER = "public, max-age=31536000, immutable"


def web(plane: Plane, api: Api) -> list[BaseRoute]:
    pages = Pages(plane.settings)
    guard = Guard(plane.settings, plane.store.web_sessions, pages)
    return [
        Mount("/static", Static(directory=Path(str(files("oc.web"))) / "static")),
        *api.routes(guard, API),
    ]


class Static(StaticFiles):
    """Addresses change with what is behind them (`pages.asset`)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def lasting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                MutableHeaders(scope=message)["Cache-Control"] = FOR_EVER
            await send(message)

        await super().__call__(scope, receive, lasting)
