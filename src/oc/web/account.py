"""What people may change about themselves."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from oc.model.errors import BadRequest, Forbidden, NotFound, Unauthorized
from oc.settings import Settings
from oc.store.people import Person
from oc.store.store import Store
from oc.store.web_sessions import Visitor
from oc.web import fields, passwords
from oc.web.guard import Form, Guard
from oc.web.limits import Attempts
from oc.web.pages import Pages
from oc.web.passwords import Passwords

PAGE = "/settings/account"
DONE = {
    "name": "Your name is changed.",
    "password": "Your password is changed. Everywhere else you are signed out.",
    "elsewhere": "Everywhere else you are signed out.",
    "organization": "You look at another organization now.",
}
Refused = BadRequest | Forbidden | Unauthorized


class Account:
    def __init__(self, settings: Settings, pages: Pages, store: Store, words: Passwords, attempts: Attempts) -> None:
        self._provider = urlsplit(settings.oidc_issuer).hostname
        self._pages = pages
        self._people = store.people
        self._sessions = store.web_sessions
        self._passwords = words
        self._attempts = attempts

    async def show(self, request: Request, visitor: Visitor) -> Response:
        return await self._page(request, visitor)

    async def rename(self, request: Request, visitor: Visitor, form: Form) -> Response:
        try:
            name = fields.name(form.get("name", ""))
        except BadRequest as error:
            return await self._page(request, visitor, error)
        await self._people.rename(visitor.user_id, name)
        return _done("name")

    async def change_password(self, request: Request, visitor: Visitor, form: Form) -> Response:
        self._attempts.begin(request, visitor.email)
        try:
            await self._change_password(await self._people.get(visitor.user_id), form)
        except (BadRequest, Forbidden, Unauthorized) as error:
            return await self._page(request, visitor, error)
        self._attempts.succeed(request, visitor.email)
        await self._sessions.end_others(visitor)
        return _done("password")

    async def _change_password(self, person: Person, form: Form) -> None:
        """Raises BadRequest, Forbidden, Unauthorized."""
        if person.password_hash is None:
            raise Forbidden("you have no password here", hint=f"you sign in with {self._provider}")
        if not await self._passwords.match(person.password_hash, form.get("current", "")[: passwords.LONGEST + 1]):
            raise Unauthorized("your present password is another one")
        passwords.check(form.get("password", ""), person.email)
        await self._people.set_password_hash(person.id, await self._passwords.hash(form["password"]))

    async def sign_out_elsewhere(self, _: Request, visitor: Visitor, __: Form) -> Response:
        await self._sessions.end_others(visitor)
        return _done("elsewhere")

    async def switch(self, _: Request, visitor: Visitor, form: Form) -> Response:
        wanted = form.get("organization", "")
        if wanted not in {each.org_id for each in await self._people.memberships(visitor.user_id)}:
            raise NotFound("you belong to no such organization")
        await self._sessions.switch(visitor, wanted)
        return _done("organization")

    async def _page(self, request: Request, visitor: Visitor, error: Refused | None = None) -> Response:
        person = await self._people.get(visitor.user_id)
        return self._pages.show(
            request,
            "account.html",
            visitor,
            status=error.status if error else 200,
            error=error,
            done=DONE.get(request.query_params.get("done", "")),
            has_password=person.password_hash is not None,
            provider=self._provider if person.oidc_subject else None,
            memberships=await self._people.memberships(visitor.user_id),
            others=await self._sessions.count_others(visitor),
        )


def _done(what: str) -> Response:
    return RedirectResponse(f"{PAGE}?done={what}", 303)


def routes(guard: Guard, account: Account) -> list[BaseRoute]:
    return [
        Route(PAGE, guard.page(account.show), methods=["GET"]),
        Route(f"{PAGE}/name", guard.action(account.rename, "renameAccount"), methods=["POST"]),
        Route(f"{PAGE}/password", guard.action(account.change_password, "changePassword"), methods=["POST"]),
        Route(
            f"{PAGE}/sign-out-elsewhere", guard.action(account.sign_out_elsewhere, "signOutElsewhere"), methods=["POST"]
        ),
        Route(f"{PAGE}/organization", guard.action(account.switch, "switchOrganization"), methods=["POST"]),
    ]
