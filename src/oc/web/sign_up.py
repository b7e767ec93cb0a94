"""The first person signs up and is admin; all others are invited."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from oc.model.errors import BadRequest, Conflict, Forbidden
from oc.settings import Settings
from oc.store import setup_code
from oc.store.people import Newcomer, People, Person
from oc.store.web_sessions import Visitor
from oc.web import fields, passwords
from oc.web.entrance import Entrance
from oc.web.guard import Form, Guard
from oc.web.limits import Attempts
from oc.web.pages import Pages
from oc.web.passwords import Passwords

Refused = BadRequest | Conflict | Forbidden


class SignUp:
    def __init__(
        self,
        settings: Settings,
        pages: Pages,
        people: People,
        entrance: Entrance,
        passwords: Passwords,
        attempts: Attempts,
    ) -> None:
        self._settings = settings
        self._pages = pages
        self._people = people
        self._entrance = entrance
        self._passwords = passwords
        self._attempts = attempts

    async def show(self, request: Request, _: Visitor | None) -> Response:
        return await self._form(request, {})

    async def submit(self, request: Request, _: Visitor | None, form: Form) -> Response:
        self._attempts.begin(request)
        try:
            person = await self._sign_up(request, form)
        except (BadRequest, Conflict, Forbidden) as error:
            return await self._form(request, form, error)
        self._attempts.succeed(request)
        return await self._entrance.enter(request, person.id, "/", call="signUp")

    async def _sign_up(self, request: Request, form: Form) -> Person:
        """Raises BadRequest, Forbidden, Conflict."""
        if self._asks_for_code(request):
            typed = form.get("code", "")
            if not await asyncio.to_thread(setup_code.matches, self._settings, typed):
                raise Forbidden("the setup code is wrong", hint="see below where it is")
        name, email, password = (
            fields.name(form.get("name", "")),
            fields.email(form.get("email", "")),
            form.get("password", ""),
        )
        passwords.check(password, email)
        if await self._people.exist():
            raise Conflict("there are people here already", hint="ask one of them for an invitation")
        person = await self._people.add_first(Newcomer(email, name, await self._passwords.hash(password)))
        await asyncio.to_thread(setup_code.remove, self._settings)
        return person

    async def _form(self, request: Request, form: Form, error: Refused | None = None) -> Response:
        return self._pages.show(
            request,
            "sign_up.html",
            status=error.status if error else 200,
            form=form,
            error=error,
            is_open=not await self._people.exist(),
            code_file=setup_code.path(self._settings) if self._asks_for_code(request) else None,
        )

    def _asks_for_code(self, request: Request) -> bool:
        """Also of who comes through a proxy on this host, or by a name that was pointed at it (DNS rebinding)."""
        return setup_code.is_wanted(self._settings) or not setup_code.is_loopback(request.url.hostname or "")


def routes(guard: Guard, sign_up: SignUp) -> list[BaseRoute]:
    return [
        Route("/sign-up", guard.open_page(sign_up.show), methods=["GET"]),
        Route("/sign-up", guard.open_action(sign_up.submit), methods=["POST"]),
    ]
