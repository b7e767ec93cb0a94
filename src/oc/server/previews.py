"""Preview URLs of a sandbox: list them, name them, and the token that they ask for (contract 2.9.1)."""

from __future__ import annotations

import re

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from oc.api.bodies import CreatePreview, PreviewAnswer, PreviewToken
from oc.api.timestamps import rfc3339
from oc.model.errors import BadRequest, NotFound, TooLarge
from oc.model.ids import new_preview_token
from oc.server import answers, request_body
from oc.server.gate import Gate, refusal
from oc.server.preview_names import LAST_PORT, Names
from oc.settings import Settings
from oc.store.accounts import Caller, digest
from oc.store.previews import Preview, Wanted
from oc.store.store import Store

MAX_AUTH_CONFIG = 16 << 10  # bytes of JSON
_PORT = re.compile(r"[1-9][0-9]{0,4}")


class PreviewCalls:
    def __init__(self, settings: Settings, store: Store, gate: Gate) -> None:
        self._names = Names(settings)
        self._rows = store.previews
        self._sandboxes = store.sandboxes
        self._gate = gate

    async def create(self, request: Request, caller: Caller) -> Response:
        """Also of a sandbox that sleeps, which sleeps on."""
        body = await request_body.read(request, CreatePreview)
        sandbox = await self._gate.any(request, caller)
        put = await self._rows.put(self._wanted(sandbox.id, body))
        if put is None:
            raise refusal(await self._gate.any(request, caller))
        row, new = put
        return answers.json(self._show(row), 201 if new else 200)

    async def list(self, request: Request, caller: Caller) -> Response:
        sandbox = await self._gate.any(request, caller)
        return answers.json([self._show(row) for row in await self._rows.of_sandbox(sandbox.id)])

    async def rotate(self, request: Request, caller: Caller) -> Response:
        """Previews that were open ask for a token from now on."""
        sandbox = await self._gate.any(request, caller)
        token = new_preview_token()
        if not await self._sandboxes.set_preview_hash(sandbox.id, digest(token)):
            raise refusal(await self._gate.any(request, caller))
        return answers.json(PreviewToken(token))

    async def delete(self, request: Request, caller: Caller) -> Response:
        sandbox = await self._gate.any(request, caller)
        port = _port(request.path_params["port"])
        if not await self._rows.delete(sandbox.id, port):
            raise NotFound(f"sandbox {sandbox.id} has no preview URL for port {port}")
        return answers.nothing()

    def _wanted(self, sandbox: str, body: CreatePreview) -> Wanted:
        """Raises BadRequest and TooLarge."""
        port = _port(str(body.port))
        custom = self._names.custom(body.domain) if body.domain else None
        url = self._names.url(custom or self._names.hostname(sandbox, port))
        return Wanted(sandbox, port, custom, _auth_config(body), url)

    def _show(self, row: Preview) -> PreviewAnswer:
        hostname = self._names.hostname(row.sandbox_id, row.port)
        return PreviewAnswer(
            id=row.id,
            sandbox_id=row.sandbox_id,
            org_id=row.org_id,
            hostname=hostname,
            port=row.port,
            ssl_status="active",
            auth_config=row.auth_config,
            created_at=rfc3339(row.created_at) or "",
            url=self._names.url(row.custom_hostname or hostname),
            custom_hostname=row.custom_hostname,
        )


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > LAST_PORT:
        raise BadRequest(f"port must be between 1 and {LAST_PORT}")
    return int(text)


def _auth_config(body: CreatePreview) -> dict[str, object]:
    config = body.auth_config or {}
    if len(msgspec.json.encode(config)) > MAX_AUTH_CONFIG:
        raise TooLarge(f"authConfig is too large: at most {MAX_AUTH_CONFIG} bytes")
    return config
