"""API keys of an organization: members see and revoke their own, admins all."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from oc.model.errors import BadRequest, NotFound, TooMany
from oc.server.audit import about
from oc.server.auth import Door
from oc.settings import Settings
from oc.store.accounts import Accounts, MemberKey
from oc.store.web_sessions import Visitor
from oc.web import fields
from oc.web.entrance import own_url
from oc.web.guard import Form, Guard
from oc.web.pages import Pages

PAGE = "/settings/keys"
MOST = 500  # of an organization


class Keys:
    def __init__(self, settings: Settings, pages: Pages, accounts: Accounts, door: Door) -> None:
        self._settings = settings
        self._pages = pages
        self._accounts = accounts
        self._door = door

    async def show(self, request: Request, visitor: Visitor) -> Response:
        return await self._page(request, visitor, done="revoked" in request.query_params)

    async def create(self, request: Request, visitor: Visitor, form: Form) -> Response:
        """The key is in this answer and nowhere else."""
        try:
            name = _name(form)
            _check_room(await self._accounts.keys_in(visitor.org_id))
        except (BadRequest, TooMany) as error:
            return await self._page(request, visitor, error=error, name=form.get("name", ""))
        id, key = await self._accounts.create_key(visitor.org_id, name, visitor.user_id)
        about(request, id)
        return await self._page(request, visitor, key=key)

    async def revoke(self, request: Request, visitor: Visitor, _: Form) -> Response:
        owner = None if visitor.is_admin else visitor.user_id
        if not await self._accounts.revoke_key_in(visitor.org_id, request.path_params["id"], owner):
            raise NotFound("you have no such key", hint="it may have been revoked already")
        self._door.forget()
        return RedirectResponse(f"{PAGE}?revoked", 303)

    async def _page(
        self,
        request: Request,
        visitor: Visitor,
        *,
        key: str | None = None,
        name: str = "",
        error: BadRequest | TooMany | None = None,
        done: bool = False,
    ) -> Response:
        keys = await self._accounts.keys_in(visitor.org_id)
        return self._pages.show(
            request,
            "keys.html",
            visitor,
            status=error.status if error else 200,
            keys=[each for each in keys if _may_see(visitor, each)],
            key=key,
            name=name,
            error=error,
            done=done,
            url=own_url(self._settings, request),
        )


def _may_see(visitor: Visitor, key: MemberKey) -> bool:
    return visitor.is_admin or key.user_id == visitor.user_id


def _name(form: Form) -> str:
    """Raises BadRequest."""
    name = fields.name(form.get("name", ""))
    if not name:
        raise BadRequest("the key needs a name", hint="such as the machine or program that will use it")
    return name


def _check_room(keys: list[MemberKey]) -> None:
    """Raises TooMany."""
    if len(keys) >= MOST:
        raise TooMany(f"the organization has {MOST} keys", hint="revoke those that nobody uses")


def routes(guard: Guard, keys: Keys) -> list[BaseRoute]:
    return [
        Route(PAGE, guard.page(keys.show), methods=["GET"]),
        Route(PAGE, guard.action(keys.create, "createKey"), methods=["POST"]),
        Route(f"{PAGE}/{{id}}/revoke", guard.action(keys.revoke, "revokeKey"), methods=["POST"]),
    ]
