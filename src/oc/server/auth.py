"""Who asks: API keys in a header, or in the query of a WebSocket (contract 1.1)."""

from __future__ import annotations

import time

from starlette.requests import HTTPConnection

from oc.api.timestamps import now
from oc.model.errors import Unauthorized
from oc.model.ids import API_KEY
from oc.store.accounts import Accounts, Caller, digest

KEPT_S = 5.0  # how long a key that was revoked may still be taken
MOST = 4096  # keys that are remembered at once
HINT = (
    "keys are made on the dashboard's page /settings/keys, by `oc login`, or on the host by `oc-host keys create`; "
    "`oc config set api-key KEY` sets one"
)


def credential(connection: HTTPConnection) -> str | None:
    """Query strings end up in logs of proxies: only WebSockets of browsers, which cannot set headers, may use them."""
    if key := connection.headers.get("x-api-key"):
        return key
    scheme, _, key = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key:
        return key.strip()
    return connection.query_params.get("api_key") if connection.scope["type"] == "websocket" else None


class Door:
    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._known: dict[str, tuple[float, Caller]] = {}
        self._used: dict[str, int] = {}

    async def admit(self, connection: HTTPConnection) -> Caller:
        """Raises Unauthorized."""
        key = credential(connection)
        if not key:
            raise Unauthorized("missing API key", hint=HINT)
        caller = await self._caller(key) if API_KEY.fullmatch(key) else None
        if caller is None:
            raise Unauthorized("invalid API key", hint=HINT)
        if caller.key_id is not None:
            self._used[caller.key_id] = now()
        return caller

    def take_used(self) -> dict[str, int]:
        """Keys by id, and when they were last used, since this was last asked."""
        used, self._used = self._used, {}
        return used

    def forget(self) -> None:
        """Looks every key up again: some were revoked."""
        self._known.clear()

    async def _caller(self, key: str) -> Caller | None:
        hash = digest(key)
        until, caller = self._known.get(hash, (0.0, None))
        if caller is not None and time.monotonic() < until:
            return caller
        caller = await self._accounts.caller(key)
        self._remember(hash, caller)
        return caller

    def _remember(self, hash: str, caller: Caller | None) -> None:
        self._known.pop(hash, None)
        if caller is None:
            return
        if len(self._known) >= MOST:
            self._known.pop(next(iter(self._known)))
        self._known[hash] = time.monotonic() + KEPT_S, caller
