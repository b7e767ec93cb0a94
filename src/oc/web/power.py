"""What a person does to a sandbox as a whole: buttons in the list and at the head of its pages."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from oc.server.api import Api
from oc.store.web_sessions import Visitor
from oc.web.calls import call
from oc.web.guard import Act, Form, Guard, own_path
from oc.web.typed import number

CALLS = {  # by the last part of the address
    "hibernate": "hibernateSandbox",
    "reboot": "rebootSandbox",
    "power-cycle": "powerCycleSandbox",
    "kill": "killSandbox",
}


class Power:
    def __init__(self, api: Api, guard: Guard) -> None:
        self._api = api
        self._guard = guard

    def routes(self) -> list[BaseRoute]:
        acts: dict[str, tuple[Act, str]] = {verb: (partial(self.do, name), name) for verb, name in CALLS.items()}
        acts |= {"wake": (self.wake, "wakeSandbox"), "timeout": (self.set_timeout, "setTimeout")}
        return [
            Route(f"/sandboxes/{{id}}/{verb}", self._guard.action(act, name), methods=["POST"])
            for verb, (act, name) in acts.items()
        ]

    async def do(self, name: str, request: Request, visitor: Visitor, form: Form) -> Response:
        await call(self._api, name, request, visitor)
        return _back(request, form)

    async def wake(self, request: Request, visitor: Visitor, form: Form) -> Response:
        """Its timeout stays: the call would set another."""
        row = await self._api.gate.any(request, visitor.caller)
        await call(self._api, "wakeSandbox", request, visitor, {"timeout": row.wish.timeout_s})
        return _back(request, form)

    async def set_timeout(self, request: Request, visitor: Visitor, form: Form) -> Response:
        await call(self._api, "setTimeout", request, visitor, {"timeout": number(form.get("timeout", ""))})
        return _back(request, form)


def _back(request: Request, form: Form) -> Response:
    """To where the button was."""
    return RedirectResponse(own_path(form.get("next") or f"/sandboxes/{request.path_params['id']}"), 303)
