"""The page on which a person approves the login of a command line (RFC 8628, 3.3)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from oc.model.errors import BadRequest, NotFound
from oc.server.audit import about
from oc.store.device_logins import DeviceLogins, Waiting
from oc.store.setup_code import ALPHABET
from oc.store.web_sessions import Visitor
from oc.web.guard import Form, Guard
from oc.web.limits import OF_ADDRESS, OF_EMAIL, Limit, network
from oc.web.pages import Pages

PAGE = "/device"
DECISIONS = {"approve": True, "deny": False}
OUTCOMES = {
    "approve": "Approved. The command line has its key in a moment; you can close this window.",
    "deny": "Denied. The command line gets no key; you can close this window.",
}


class Device:
    def __init__(self, pages: Pages, logins: DeviceLogins) -> None:
        self._pages = pages
        self._logins = logins
        self._of_person = Limit(OF_EMAIL)
        self._of_network = Limit(OF_ADDRESS)

    async def show(self, request: Request, visitor: Visitor) -> Response:
        typed = request.query_params.get("code", "")
        if not typed:
            return self._page(request, visitor, outcome=OUTCOMES.get(request.query_params.get("outcome", "")))
        try:
            return self._page(request, visitor, login=await self._waiting(request, visitor, typed))
        except NotFound as error:
            return self._page(request, visitor, typed=typed, error=error)

    async def decide(self, request: Request, visitor: Visitor, form: Form) -> Response:
        approve = DECISIONS.get(form.get("decision", ""))
        if approve is None:
            raise BadRequest("the login is approved or denied")
        login = await self._waiting(request, visitor, form.get("code", ""))
        await self._logins.decide(login.user_code, visitor, approve=approve)
        about(request, form["decision"], login.address)
        return RedirectResponse(f"{PAGE}?outcome={form['decision']}", 303)

    async def _waiting(self, request: Request, visitor: Visitor, typed: str) -> Waiting:
        """Raises NotFound, and TooMany for who guesses (RFC 8628, 5.1)."""
        self._of_network.take(network(request))
        self._of_person.take(visitor.user_id)
        login = await self._logins.waiting(_user_code(typed))
        if login is None:
            raise NotFound("no login waits with this code", hint="codes last ten minutes: run `oc login` again")
        self._of_network.give_back(network(request))
        self._of_person.give_back(visitor.user_id)
        return login

    def _page(
        self,
        request: Request,
        visitor: Visitor,
        *,
        login: Waiting | None = None,
        typed: str = "",
        error: NotFound | None = None,
        outcome: str | None = None,
    ) -> Response:
        return self._pages.show(
            request,
            "device.html",
            visitor,
            status=error.status if error else 200,
            login=login,
            typed=typed[:20],
            error=error,
            outcome=outcome,
        )


def _user_code(typed: str) -> str:
    """However it was typed: without the dash, in lower case, with blanks."""
    letters = "".join(letter for letter in typed.upper()[:40] if letter in ALPHABET)
    return f"{letters[:4]}-{letters[4:]}"


def routes(guard: Guard, device: Device) -> list[BaseRoute]:
    return [
        Route(PAGE, guard.page(device.show), methods=["GET"]),
        Route(PAGE, guard.action(device.decide, "decideLogin"), methods=["POST"]),
    ]
