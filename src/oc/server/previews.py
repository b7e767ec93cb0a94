"""Preview URLs of a sandbox: list them, name them, and the token that they ask for (contract 2.9.1)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from oc.model.errors import NotSupported
from oc.server.gate import Gate
from oc.settings import Settings
from oc.store.accounts import Caller
from oc.store.store import Store


class PreviewCalls:
    def __init__(self, settings: Settings, store: Store, gate: Gate) -> None:
        self._settings = settings
        self._store = store
        self._gate = gate

    async def create(self, request: Request, caller: Caller) -> Response:
        raise NotSupported("being written")

    async def list(self, request: Request, caller: Caller) -> Response:
        raise NotSupported("being written")

    async def rotate(self, request: Request, caller: Caller) -> Response:
        raise NotSupported("being written")

    async def delete(self, request: Request, caller: Caller) -> Response:
        raise NotSupported("being written")
