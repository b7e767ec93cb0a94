"""Secret stores and the secrets in them (contract 2.11)."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from oc.api.bodies import (
    ChangeSecretStore,
    CreateSecretStore,
    SecretAnswer,
    SecretStoreAnswer,
    SecretWasSet,
    SetSecret,
)
from oc.api.timestamps import rfc3339
from oc.model.errors import BadRequest, NotFound, TooLarge
from oc.model.ids import UUID
from oc.server import answers, request_body
from oc.server.egress import Governing
from oc.server.patterns import patterns
from oc.server.vault import Vault, place
from oc.store.accounts import Caller
from oc.store.secret_stores import Secret, SecretStore, SecretStores

LARGEST_VALUE = 32 << 10  # bytes; it stands in for a header or a part of a body
_STORE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SECRET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


class SecretStoreCalls:
    def __init__(self, rows: SecretStores, vault: Vault, governing: Governing) -> None:
        self._rows = rows
        self._vault = vault
        self._governing = governing

    async def create(self, request: Request, caller: Caller) -> Response:
        body = await request_body.read(request, CreateSecretStore)
        allowlist = patterns("egressAllowlist", body.egress_allowlist or ())
        return answers.json(_store(await self._rows.add(caller.org_id, store_name(body.name), allowlist)), 201)

    async def list(self, _: Request, caller: Caller) -> Response:
        return answers.json([_store(row) for row in await self._rows.of_organization(caller.org_id)])

    async def get(self, request: Request, caller: Caller) -> Response:
        return answers.json(_store(await self._own(request, caller)))

    async def change(self, request: Request, caller: Caller) -> Response:
        body = await request_body.read(request, ChangeSecretStore)
        store = await self._own(request, caller)
        name = store.name if body.name is None else store_name(body.name)
        allowlist = store.egress_allowlist
        if body.egress_allowlist is not None:
            allowlist = patterns("egressAllowlist", body.egress_allowlist)
        changed = await self._rows.change(store, name, allowlist)
        if changed is None:
            raise _unknown(store.id)
        await self._governing.refresh(store.id)
        return answers.json(_store(changed))

    async def delete(self, request: Request, caller: Caller) -> Response:
        store = await self._own(request, caller)
        if not await self._rows.delete(store.id):
            raise _unknown(store.id)
        await self._governing.refresh(store.id)
        return answers.nothing()

    async def secrets(self, request: Request, caller: Caller) -> Response:
        store = await self._own(request, caller)
        return answers.json([_secret(row) for row in await self._rows.secrets(store.id)])

    async def set(self, request: Request, caller: Caller) -> Response:
        body = await request_body.read(request, SetSecret)
        name = secret_name(request.path_params["name"])
        check_value(body.value)
        hosts = patterns("allowedHosts", body.allowed_hosts or ())
        store = await self._own(request, caller)
        if not await self._rows.set(
            store.id, name, lambda: self._vault.encrypt(body.value, place(store.id, name)), hosts
        ):
            raise _unknown(store.id)
        await self._governing.refresh(store.id)
        return answers.json(SecretWasSet(name))

    async def delete_secret(self, request: Request, caller: Caller) -> Response:
        name = secret_name(request.path_params["name"])
        store = await self._own(request, caller)
        if not await self._rows.delete_secret(store.id, name):
            raise NotFound(f"secret not found: {name}")
        await self._governing.refresh(store.id)
        return answers.nothing()

    async def _own(self, request: Request, caller: Caller) -> SecretStore:
        id = request.path_params["store"]
        if not UUID.fullmatch(id):
            raise BadRequest("invalid secret store ID", hint="it is a UUID, as `oc secret-store list` shows it")
        store = await self._rows.get(id)
        if store is None or store.org_id != caller.org_id:
            raise _unknown(id)
        return store


def store_name(text: str) -> str:
    """Raises BadRequest."""
    if not _STORE_NAME.fullmatch(text):
        raise BadRequest("name must be 1 to 128 letters, digits, dots, dashes and underscores")
    return text


def secret_name(text: str) -> str:
    """It becomes an environment variable. Raises BadRequest."""
    if not _SECRET_NAME.fullmatch(text):
        raise BadRequest("the name of a secret must be 1 to 128 letters, digits and underscores, no digit first")
    return text


def check_value(value: str) -> None:
    """Raises BadRequest and TooLarge, which never hold it."""
    if not value:
        raise BadRequest("value must not be empty")
    if "\0" in value:
        raise BadRequest("value must not contain NUL")
    if len(value.encode()) > LARGEST_VALUE:
        raise TooLarge(f"value is too long: at most {LARGEST_VALUE} bytes")


def _store(row: SecretStore) -> SecretStoreAnswer:
    times = rfc3339(row.created_at) or "", rfc3339(row.updated_at) or ""
    return SecretStoreAnswer(row.id, row.org_id, row.name, list(row.egress_allowlist), *times)


def _secret(row: Secret) -> SecretAnswer:
    times = rfc3339(row.created_at) or "", rfc3339(row.updated_at) or ""
    return SecretAnswer(row.store_id, row.name, list(row.allowed_hosts), *times)


def _unknown(id: str) -> NotFound:
    return NotFound(f"secret store not found: {id}", hint="oc secret-store list")
