"""The dashboard, put together: pages for people, and the API again for the scripts of those pages."""

from __future__ import annotations

from starlette.routing import BaseRoute

from oc.server.api import Api
from oc.server.plane import Plane


def web(plane: Plane, api: Api) -> list[BaseRoute]:
    return []
