"""Members of an organization and invitations into it. Admins change them; all members see who is there."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from oc.model.errors import BadRequest, Conflict, Forbidden, TooMany
from oc.server.audit import about
from oc.server.auth import Door
from oc.settings import Settings
from oc.store.store import Store
from oc.store.web_sessions import Role, Visitor
from oc.web import fields
from oc.web.entrance import own_url
from oc.web.guard import Form, Guard
from oc.web.pages import Pages

PAGE = "/settings/members"
ROLES: dict[str, Role] = {"member": "member", "admin": "admin"}
DONE = {
    "role": "The role is changed.",
    "removed": "The member is removed: signed out, and their keys revoked.",
    "revoked": "The invitation is revoked: its link leads nowhere now.",
}


class Members:
    def __init__(self, settings: Settings, pages: Pages, store: Store, door: Door) -> None:
        self._settings = settings
        self._pages = pages
        self._people = store.people
        self._invitations = store.invitations
        self._door = door

    async def show(self, request: Request, visitor: Visitor) -> Response:
        return await self._page(request, visitor)

    async def invite(self, request: Request, visitor: Visitor, form: Form) -> Response:
        """The link is in this answer and nowhere else."""
        need_admin(visitor)
        try:
            email, role = fields.email(form.get("email", "")), _role(form)
            about(request, email)
            token = await self._invitations.invite(visitor, email, role)
        except (BadRequest, Conflict, TooMany) as error:
            return await self._page(request, visitor, form=form, error=error)
        link = f"{own_url(self._settings, request)}/invitations/{token}"
        return await self._page(request, visitor, link=link, invited=email)

    async def revoke(self, request: Request, visitor: Visitor, _: Form) -> Response:
        need_admin(visitor)
        await self._invitations.revoke(visitor.org_id, request.path_params["id"])
        return _done("revoked")

    async def set_role(self, request: Request, visitor: Visitor, form: Form) -> Response:
        need_admin(visitor)
        role = _role(form)
        about(request, role)
        await self._people.set_role(visitor.org_id, request.path_params["id"], role)
        return _done("role")

    async def remove(self, request: Request, visitor: Visitor, _: Form) -> Response:
        need_admin(visitor)
        await self._people.remove(visitor.org_id, request.path_params["id"])
        self._door.forget()
        return _done("removed")

    async def _page(
        self,
        request: Request,
        visitor: Visitor,
        *,
        form: Form | None = None,
        error: BadRequest | Conflict | TooMany | None = None,
        link: str | None = None,
        invited: str | None = None,
    ) -> Response:
        return self._pages.show(
            request,
            "members.html",
            visitor,
            status=error.status if error else 200,
            members=await self._people.members(visitor.org_id),
            invitations=await self._invitations.pending(visitor.org_id) if visitor.is_admin else [],
            form=form or {},
            error=error,
            link=link,
            invited=invited,
            done=DONE.get(request.query_params.get("done", "")),
        )


def need_admin(visitor: Visitor) -> None:
    """Raises Forbidden."""
    if not visitor.is_admin:
        raise Forbidden("only admins of the organization may do this", hint="ask one of them; see the page Members")


def _role(form: Form) -> Role:
    """Raises BadRequest."""
    role = ROLES.get(form.get("role", ""))
    if role is None:
        raise BadRequest(f"the role must be one of: {', '.join(ROLES)}")
    return role


def _done(what: str) -> Response:
    return RedirectResponse(f"{PAGE}?done={what}", 303)


def routes(guard: Guard, members: Members) -> list[BaseRoute]:
    return [
        Route(PAGE, guard.page(members.show), methods=["GET"]),
        Route(f"{PAGE}/invite", guard.action(members.invite, "inviteMember"), methods=["POST"]),
        Route(f"{PAGE}/invitations/{{id}}/revoke", guard.action(members.revoke, "revokeInvitation"), methods=["POST"]),
        Route(f"{PAGE}/{{id}}/role", guard.action(members.set_role, "setRole"), methods=["POST"]),
        Route(f"{PAGE}/{{id}}/remove", guard.action(members.remove, "removeMember"), methods=["POST"]),
    ]
