"""Signing in by OpenID Connect: out to the provider and back, and who that is here."""

from __future__ import annotations

import asyncio
import secrets
import time

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from oc.model.errors import BadRequest, Forbidden, NotFound
from oc.server.audit import Trail
from oc.settings import Settings
from oc.store import setup_code
from oc.store.accounts import digest
from oc.store.people import Newcomer, Person
from oc.store.store import Store
from oc.store.web_sessions import Visitor
from oc.web import fields
from oc.web.entrance import Entrance, own_url
from oc.web.guard import Guard, own_path
from oc.web.limits import Attempts
from oc.web.openid import Identity, Provider, Trip, new_trip

CALLBACK = "/sign-in/oidc/callback"
LASTS_S = 600
MOST = 1000  # people who are at the provider at once
AGAIN = "begin again on the page /sign-in"


class Away(msgspec.Struct, frozen=True):
    """Somebody who is at the provider. `browser`: digest of the cookie that they must come back with."""

    trip: Trip
    browser: str
    target: str
    until: float


class Oidc:
    def __init__(self, settings: Settings, store: Store, entrance: Entrance, attempts: Attempts, trail: Trail) -> None:
        self._settings = settings
        self._secure = settings.public_url.startswith("https:")
        self._entrance = entrance
        self._attempts = attempts
        self._trail = trail
        self._provider = Provider(settings)
        self._guests = Guests(settings, store)
        self._away: dict[str, Away] = {}  # by state, oldest first

    @property
    def _cookie(self) -> str:
        return "__Host-oc_oidc" if self._secure else "oc_oidc"

    async def begin(self, request: Request, _: Visitor | None) -> Response:
        self._check_configured()
        self._attempts.begin(request)
        trip, browser = new_trip(own_url(self._settings, request) + CALLBACK), secrets.token_urlsafe(32)
        target = own_path(request.query_params.get("next", "/"))
        response = RedirectResponse(await self._provider.question(trip), 303)
        self._remember(Away(trip, digest(browser), target, time.monotonic() + LASTS_S))
        response.set_cookie(
            self._cookie, browser, max_age=LASTS_S, path="/", secure=self._secure, httponly=True, samesite="lax"
        )
        return response

    async def come_back(self, request: Request, _: Visitor | None) -> Response:
        self._check_configured()
        away = self._take(request)
        code = request.query_params.get("code", "")
        if not code:
            raise Forbidden("the provider did not sign you in", hint=AGAIN)
        identity = await self._provider.identity(code, away.trip)
        try:
            person = await self._guests.person(identity)
        except Forbidden as error:
            if identity.email is not None:
                self._trail.sign_in_failed(request, identity.email.strip().lower(), error.status)
            raise
        self._attempts.succeed(request)
        response = await self._entrance.enter(request, person.id, away.target)
        response.delete_cookie(self._cookie, path="/", secure=self._secure, httponly=True, samesite="lax")
        return response

    def _remember(self, away: Away) -> None:
        if len(self._away) >= MOST:
            self._away.pop(next(iter(self._away)))
        self._away[away.trip.state] = away

    def _take(self, request: Request) -> Away:
        """Each comes back once, with the browser that they left with. Raises Forbidden."""
        away = self._away.pop(request.query_params.get("state", ""), None)
        browser = digest(request.cookies.get(self._cookie, ""))
        if away is None or time.monotonic() > away.until or not secrets.compare_digest(browser, away.browser):
            self._attempts.begin(request)
            raise Forbidden("this sign-in is out of date, or was begun in another browser", hint=AGAIN)
        return away

    def _check_configured(self) -> None:
        """Raises NotFound."""
        if not self._settings.oidc_issuer:
            raise NotFound("this server has no OpenID Connect provider")


class Guests:
    """Who somebody is here whom the provider has sent."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._people = store.people
        self._invitations = store.invitations
        self._domains = {each.strip().lower() for each in settings.oidc_domains.split(",") if each.strip()}

    async def person(self, identity: Identity) -> Person:
        """Raises Forbidden for who has no place here, BadRequest for an address that cannot be one."""
        person = await self._people.by_subject(identity.subject)
        if person is None:
            email = _email(identity)
            person = await self._known(email, identity) or await self._new(email, identity)
        if not await self._people.memberships(person.id):
            for invitation in await self._invitations.of_email(person.email):
                await self._invitations.accept(invitation, person.id)
        return person

    async def _known(self, email: str, identity: Identity) -> Person | None:
        person = await self._people.by_email(email)
        if person is not None and not await self._people.link(person, identity.subject):
            raise Forbidden(f"{email} signs in as somebody else at the provider", hint="ask an admin of this server")
        return person

    async def _new(self, email: str, identity: Identity) -> Person:
        newcomer = Newcomer(email, _name(identity.name), oidc_subject=identity.subject)
        invitations = await self._invitations.of_email(email)
        if invitations:
            return await self._invitations.accept_as_new(invitations[0], newcomer)
        if email.rpartition("@")[2] not in self._domains:
            raise Forbidden(f"{email} has no account here", hint="an admin can invite you")
        if await self._people.exist():
            return await self._people.add_to_default(newcomer, "member")
        person = await self._people.add_first(newcomer)
        await asyncio.to_thread(setup_code.remove, self._settings)
        return person


def _email(identity: Identity) -> str:
    """Raises Forbidden, BadRequest."""
    if identity.email is None:
        raise Forbidden("the provider has not verified your e-mail address", hint="verify it there, then sign in again")
    return fields.email(identity.email)


def _name(text: str) -> str:
    """What cannot be a name is none."""
    try:
        return fields.name(text)
    except BadRequest:
        return ""


def routes(guard: Guard, oidc: Oidc) -> list[BaseRoute]:
    return [
        Route("/sign-in/oidc", guard.open_page(oidc.begin), methods=["GET"]),
        Route(CALLBACK, guard.open_page(oidc.come_back), methods=["GET"]),
    ]
