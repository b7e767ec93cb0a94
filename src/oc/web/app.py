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
from oc.web import people
from oc.web.audit import AuditPages
from oc.web.checkpoints import Checkpoints
from oc.web.create import Create
from oc.web.egress import EgressTab
from oc.web.events import Events
from oc.web.files import Files
from oc.web.guard import Guard
from oc.web.live import Live
from oc.web.overview import Overview
from oc.web.pages import Pages
from oc.web.power import Power
from oc.web.previews import Previews
from oc.web.sandbox_live import SandboxLive
from oc.web.sandboxes import Sandboxes
from oc.web.secret_stores import SecretStorePages
from oc.web.sessions import SessionPages
from oc.web.terminal import TerminalPage

API = "/app/api"  # as /api, with the cookie and the token of a session instead of a key
FOR_EVER = "public, max-age=31536000, immutable"


def web(plane: Plane, api: Api) -> list[BaseRoute]:
    pages = Pages(plane.settings)
    guard = Guard(plane.settings, plane.store.web_sessions, pages, plane.trail)
    return [
        Mount("/static", Static(directory=Path(str(files("oc.web"))) / "static")),
        *api.routes(guard, API),
        *people.routes(plane, guard, pages),
        *inside(plane, api, guard, pages),
        *outside(plane, api, guard, pages),
        *organization(plane, api, guard, pages),
    ]


def inside(plane: Plane, api: Api, guard: Guard, pages: Pages) -> list[BaseRoute]:
    """What shows the inside of a sandbox."""
    parts = plane, api, guard, pages
    return [*TerminalPage(*parts).routes(), *SessionPages(*parts).routes(), *Files(*parts).routes()]


def outside(plane: Plane, api: Api, guard: Guard, pages: Pages) -> list[BaseRoute]:
    """What shows sandboxes as the control plane knows them."""
    live = Live(guard, plane.stopping, lambda: plane.store.version)
    overview, events = Overview(plane, api, guard, pages), Events(plane.store.events, api, guard, pages)
    checkpoints, egress = Checkpoints(plane.store, api, guard, pages), EgressTab(plane, api, guard, pages)
    tabs = {
        "overview": overview.parts,
        "checkpoints": checkpoints.parts,
        "egress": egress.parts,
        "events": events.parts,
    }
    return [
        *Sandboxes(plane, guard, pages, live).routes(),
        *Create(plane.worker, api, guard, pages).routes(),  # its path looks like a sandbox's
        *Power(api, guard).routes(),
        *SandboxLive(api, pages, live, tabs).routes(),
        *overview.routes(),
        *checkpoints.routes(),
        *Previews(api, guard, pages).routes(),
        *egress.routes(),
        *events.routes(),
    ]


def organization(plane: Plane, api: Api, guard: Guard, pages: Pages) -> list[BaseRoute]:
    """What belongs to an organization, beside its sandboxes and people."""
    return [
        *SecretStorePages(plane.store, api, guard, pages).routes(),
        *AuditPages(plane.store.audit, guard, pages).routes(),
    ]


class Static(StaticFiles):
    """Addresses change with what is behind them (`pages.asset`)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def lasting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                MutableHeaders(scope=message)["Cache-Control"] = FOR_EVER
            await send(message)

        await super().__call__(scope, receive, lasting)
