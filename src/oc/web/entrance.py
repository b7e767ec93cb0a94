"""The end of every way in: a session of a person's own, and a cookie for it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from oc.model.errors import Forbidden
from oc.server.audit import Trail
from oc.settings import Settings
from oc.store.store import Store
from oc.store.web_sessions import LASTS_S
from oc.web.guard import Guard, own_path


class Entrance:
    def __init__(self, guard: Guard, store: Store, trail: Trail) -> None:
        self._guard = guard
        self._store = store
        self._trail = trail

    async def enter(
        self, request: Request, user_id: str, target: str, org_id: str | None = None, *, call: str = "signIn"
    ) -> Response:
        """On to `target`, if it is a path of ours. `org_id`: that they look at first; None: their oldest.

        `call`: what the audit log calls this.

        The session is new, and the one that the browser had is over. Raises Forbidden for who belongs nowhere.
        """
        memberships = await self._store.people.memberships(user_id)
        if not memberships:
            raise Forbidden("you do not belong to any organization", hint="ask an admin for an invitation")
        former = await self._guard.visitor(request)
        if former is not None:
            await self._store.web_sessions.end(former.session)
        cookie = await self._store.web_sessions.begin(user_id, org_id or memberships[0].org_id)
        if (visitor := await self._store.web_sessions.visitor(cookie)) is not None:
            await self._trail.note(request, visitor.caller, call, 303)
        response = RedirectResponse(own_path(target), 303)
        self._guard.remember(response, cookie, LASTS_S)
        return response


def own_url(settings: Settings, request: Request) -> str:
    """How whoever asks reaches this server: as the settings say, or as they have reached it."""
    return settings.public_url or f"{request.url.scheme}://{request.headers.get('host', settings.listen)}"
