"""Signing in with a password, and signing out."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from oc.model.errors import BadRequest, Unauthorized
from oc.server.audit import Trail
from oc.settings import Settings
from oc.store.people import People, Person
from oc.store.store import Store
from oc.store.web_sessions import Visitor
from oc.web import fields
from oc.web.entrance import Entrance
from oc.web.guard import Form, Guard, own_path
from oc.web.limits import Attempts
from oc.web.pages import Pages
from oc.web.passwords import LONGEST, Passwords


class SignIn:
    def __init__(
        self,
        settings: Settings,
        pages: Pages,
        people: People,
        entrance: Entrance,
        passwords: Passwords,
        attempts: Attempts,
        trail: Trail,
    ) -> None:
        self._provider = urlsplit(settings.oidc_issuer).hostname
        self._pages = pages
        self._people = people
        self._entrance = entrance
        self._passwords = passwords
        self._attempts = attempts
        self._trail = trail

    async def show(self, request: Request, visitor: Visitor | None) -> Response:
        target = own_path(request.query_params.get("next", "/"))
        if visitor is not None:
            return RedirectResponse(target, 303)
        if not await self._people.exist():
            return RedirectResponse("/sign-up", 303)
        return self._form(request, {"next": target})

    async def submit(self, request: Request, _: Visitor | None, form: Form) -> Response:
        try:
            email = fields.email(form.get("email", ""))
            self._attempts.begin(request, email)
        except BadRequest as error:
            return self._form(request, form, error)
        try:
            person = await self.person(email, form.get("password", ""))
        except Unauthorized as error:
            self._trail.sign_in_failed(request, email, error.status)
            return self._form(request, form, error)
        self._attempts.succeed(request, email)
        return await self._entrance.enter(request, person.id, form.get("next", "/"))

    async def person(self, email: str, password: str) -> Person:
        """Raises Unauthorized, with the same words and after the same time whether there is such an account or not."""
        person = await self._people.by_email(email)
        hash = person.password_hash if person else None
        if not await self._passwords.match(hash, password[: LONGEST + 1]) or person is None or hash is None:
            raise Unauthorized("e-mail address or password is wrong")
        if self._passwords.is_outdated(hash):
            await self._people.set_password_hash(person.id, await self._passwords.hash(password))
        return person

    def _form(self, request: Request, form: Form, error: BadRequest | Unauthorized | None = None) -> Response:
        status = error.status if error else 200
        return self._pages.show(request, "sign_in.html", status=status, form=form, error=error, provider=self._provider)


class SignOut:
    def __init__(self, guard: Guard, store: Store) -> None:
        self._guard = guard
        self._sessions = store.web_sessions

    async def submit(self, _: Request, visitor: Visitor, __: Form) -> Response:
        """A copy of the cookie is worth nothing from now on."""
        await self._sessions.end(visitor.session)
        response = RedirectResponse("/sign-in", 303)
        self._guard.forget(response)
        return response


def routes(guard: Guard, sign_in: SignIn, sign_out: SignOut) -> list[BaseRoute]:
    return [
        Route("/sign-in", guard.open_page(sign_in.show), methods=["GET"]),
        Route("/sign-in", guard.open_action(sign_in.submit), methods=["POST"]),
        Route("/sign-out", guard.action(sign_out.submit, "signOut"), methods=["POST"]),
    ]
