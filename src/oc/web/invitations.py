"""Where an invitation's link leads: into the organization, with an account that exists or a new one."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from oc.model.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthorized
from oc.server.audit import Trail
from oc.settings import Settings
from oc.store.invitations import Invitation
from oc.store.people import Newcomer
from oc.store.store import Store
from oc.store.web_sessions import Visitor
from oc.web import fields, passwords
from oc.web.entrance import Entrance
from oc.web.guard import Form, Guard, check_token
from oc.web.limits import Attempts
from oc.web.pages import Pages
from oc.web.passwords import Passwords
from oc.web.sign_in import SignIn

Refused = BadRequest | Conflict | Forbidden | Unauthorized


class Accept:
    def __init__(
        self,
        settings: Settings,
        pages: Pages,
        store: Store,
        entrance: Entrance,
        words: Passwords,
        attempts: Attempts,
        sign_in: SignIn,
        trail: Trail,
    ) -> None:
        self._provider = urlsplit(settings.oidc_issuer).hostname
        self._pages = pages
        self._people = store.people
        self._invitations = store.invitations
        self._entrance = entrance
        self._passwords = words
        self._attempts = attempts
        self._sign_in = sign_in
        self._trail = trail

    async def show(self, request: Request, visitor: Visitor | None) -> Response:
        return await self._form(request, visitor, await self._invitation(request), {})

    async def submit(self, request: Request, visitor: Visitor | None, form: Form) -> Response:
        invitation = await self._invitation(request)
        self._attempts.begin(request, invitation.email)
        try:
            user_id = await self._join(invitation, visitor, form)
        except (BadRequest, Conflict, Forbidden, Unauthorized) as error:
            if isinstance(error, Unauthorized):
                self._trail.sign_in_failed(request, invitation.email, error.status)
            return await self._form(request, visitor, invitation, form, error)
        self._attempts.succeed(request, invitation.email)
        return await self._entrance.enter(request, user_id, "/", invitation.org_id, call="acceptInvitation")

    async def _join(self, invitation: Invitation, visitor: Visitor | None, form: Form) -> str:
        """Who has joined. Raises BadRequest, Conflict, Forbidden, Unauthorized."""
        if visitor is None and await self._people.by_email(invitation.email) is None:
            return await self._join_as_new(invitation, form)
        if visitor is None:
            user_id = (await self._sign_in.person(invitation.email, form.get("password", ""))).id
        else:
            check_token(visitor, form.get("csrf", ""))
            if visitor.email != invitation.email:
                raise Forbidden(f"the invitation is for {invitation.email}", hint="sign out first")
            user_id = visitor.user_id
        await self._invitations.accept(invitation, user_id)
        return user_id

    async def _join_as_new(self, invitation: Invitation, form: Form) -> str:
        name, password = fields.name(form.get("name", "")), form.get("password", "")
        passwords.check(password, invitation.email)
        newcomer = Newcomer(invitation.email, name, await self._passwords.hash(password))
        return (await self._invitations.accept_as_new(invitation, newcomer)).id

    async def _invitation(self, request: Request) -> Invitation:
        """Raises NotFound, and TooMany for who guesses."""
        self._attempts.begin(request)
        invitation = await self._invitations.of_token(request.path_params["token"])
        if invitation is None:
            raise NotFound("this invitation cannot be used any more", hint="ask who invited you for a new link")
        self._attempts.succeed(request)
        return invitation

    async def _form(
        self,
        request: Request,
        visitor: Visitor | None,
        invitation: Invitation,
        form: Form,
        error: Refused | None = None,
    ) -> Response:
        person = await self._people.by_email(invitation.email)
        return self._pages.show(
            request,
            "invitation.html",
            visitor,
            status=error.status if error else 200,
            invitation=invitation,
            is_known=person is not None,
            has_password=person is not None and person.password_hash is not None,
            provider=self._provider,
            form=form,
            error=error,
        )


def routes(guard: Guard, accept: Accept) -> list[BaseRoute]:
    return [
        Route("/invitations/{token}", guard.open_page(accept.show), methods=["GET"]),
        Route("/invitations/{token}", guard.open_action(accept.submit), methods=["POST"]),
    ]
