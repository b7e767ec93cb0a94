"""The calls of `oc login` and `oc logout` (contract 1.7). Their errors are codes: `{"error": "..."}`."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from oc.model.errors import BadRequest, TooLarge, TooMany
from oc.server import answers
from oc.server.audit import Trail, about
from oc.server.auth import Door
from oc.server.peer import address
from oc.server.request_body import read
from oc.settings import Settings
from oc.store.accounts import Accounts, Caller
from oc.store.device_logins import INTERVAL_S, LASTS_S, DeviceLogins, Granted
from oc.store.store import Store
from oc.web.entrance import own_url
from oc.web.fields import LONGEST_NAME
from oc.web.limits import OF_ADDRESS, Limit, network

PENDING = {"status": "authorization_pending"}


class Exchange(msgspec.Struct):
    device_code: str
    credential_name: str = ""


class DeviceCalls:
    def __init__(self, settings: Settings, logins: DeviceLogins, accounts: Accounts, door: Door, trail: Trail) -> None:
        self._settings = settings
        self._logins = logins
        self._accounts = accounts
        self._door = door
        self._trail = trail
        self._asking = Limit(OF_ADDRESS)
        self._guessing = Limit(OF_ADDRESS)

    async def ask(self, request: Request) -> Response:
        try:
            self._asking.take(network(request))
            asked = await self._logins.ask(address(request))
        except TooMany as error:
            return _limited(error)
        page = f"{own_url(self._settings, request)}/device"
        return answers.json(
            {
                "device_code": asked.device_code,
                "user_code": asked.user_code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?code={asked.user_code}",
                "expires_in": LASTS_S,
                "interval": INTERVAL_S,
            }
        )

    async def exchange(self, request: Request) -> Response:
        try:
            body = await read(request, Exchange)
        except (BadRequest, TooLarge):
            return _refused("invalid_request", 400)
        try:
            self._guessing.take(network(request))
        except TooMany as error:
            return _limited(error)
        outcome = await self._logins.exchange(body.device_code, _name(body.credential_name))
        if outcome != "expired":
            self._guessing.give_back(network(request))
        match outcome:
            case Granted():
                await self._note(request, outcome)
                return answers.json({"status": "authorized", **msgspec.to_builtins(outcome)})
            case "pending":
                return answers.json(PENDING, 202)
            case "too_fast":
                return answers.json(PENDING | {"retry_after": 2 * INTERVAL_S}, 202)
            case "denied":
                return _refused("authorization_denied", 403)
            case "expired":
                return _refused("authorization_expired", 410)

    async def _note(self, request: Request, granted: Granted) -> None:
        """Whose the key is has approved it."""
        about(request, granted.credential.id)
        who = Caller(granted.org.id, granted.org.name, user_id=granted.user.id, email=granted.user.email)
        await self._trail.note(request, who, "createKey", 200)

    async def revoke(self, request: Request) -> Response:
        """Of the key that this is asked with. Raises Unauthorized."""
        caller = await self._door.admit(request)
        if caller.key_id is not None:
            await self._accounts.revoke_key(caller.key_id)
            self._door.forget()
            about(request, caller.key_id)
            await self._trail.note(request, caller, "revokeKey", 204)
        return Response(status_code=204)


def _name(text: str) -> str:
    """What the command line calls its machine, made harmless."""
    shown = "".join(mark if mark.isprintable() else "?" for mark in " ".join(text.split()))
    return shown[:LONGEST_NAME] or "oc login"


def _refused(code: str, status: int) -> Response:
    return answers.json({"error": code}, status)


def _limited(error: TooMany) -> Response:
    response = _refused("rate_limited", error.status)
    if "retry_after" in error.details:
        response.headers["Retry-After"] = str(error.details["retry_after"])
    return response


def routes(settings: Settings, store: Store, door: Door, trail: Trail) -> list[BaseRoute]:
    calls = DeviceCalls(settings, store.device_logins, store.accounts, door, trail)
    return [
        Route("/auth/cli/device", calls.ask, methods=["POST"]),
        Route("/auth/cli/device/exchange", calls.exchange, methods=["POST"]),
        Route("/auth/cli/credential", calls.revoke, methods=["DELETE"]),
    ]
