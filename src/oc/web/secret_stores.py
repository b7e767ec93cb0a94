"""Secret stores, and the secrets in them: set here, never to be seen again."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from oc.api.bodies import SecretAnswer, SecretStoreAnswer
from oc.model.errors import BadRequest, Conflict, TooLarge, TooMany
from oc.model.sandbox import Status
from oc.server.api import Api
from oc.server.sandboxes import MOST_LISTED
from oc.store.sandboxes import Sandbox
from oc.store.store import Store
from oc.store.web_sessions import Visitor
from oc.web.calls import ask, call
from oc.web.guard import Form, Guard
from oc.web.pages import Pages
from oc.web.typed import words

ALL = "/secrets"
ONE = f"{ALL}/{{store}}"
SECRETS = f"{ONE}/secrets"
LIVING = (Status.PENDING, Status.RUNNING, Status.HIBERNATED)
MOST_SHOWN = 50  # sandboxes that use a store
DONE = {
    "changed": "The store is changed. Sandboxes that run with it follow at once.",
    "set": "The secret is set. Sandboxes that run with it use the new value at once.",
    "deleted": "The secret is deleted: what stands for it in sandboxes is worth nothing now.",
}
Refused = BadRequest | Conflict | TooLarge | TooMany
REFUSED = (BadRequest, Conflict, TooLarge, TooMany)


class SecretStorePages:
    def __init__(self, store: Store, api: Api, guard: Guard, pages: Pages) -> None:
        self._sandboxes = store.sandboxes
        self._rows = store.secret_stores
        self._api = api
        self._guard = guard
        self._pages = pages

    def routes(self) -> list[BaseRoute]:
        acts = {
            ALL: (self.create, "createSecretStore"),
            ONE: (self.change, "changeSecretStore"),
            f"{ONE}/delete": (self.delete, "deleteSecretStore"),
            SECRETS: (self.set, "setSecret"),
            f"{SECRETS}/{{name}}/delete": (self.delete_secret, "deleteSecret"),
        }
        return [
            Route(ALL, self._guard.page(self.show_all), methods=["GET"]),
            Route(ONE, self._guard.page(self.show), methods=["GET"]),
            *(Route(path, self._guard.action(act, name), methods=["POST"]) for path, (act, name) in acts.items()),
        ]

    # --- pages ---

    async def show_all(self, request: Request, visitor: Visitor) -> Response:
        return await self._list(request, visitor, {})

    async def show(self, request: Request, visitor: Visitor) -> Response:
        return await self._one(request, visitor, {})

    async def _list(self, request: Request, visitor: Visitor, form: Form, error: Refused | None = None) -> Response:
        stores = await ask(list[SecretStoreAnswer], self._api, "listSecretStores", request, visitor)
        living = await self._living(visitor)
        return self._pages.show(
            request,
            "secrets.html",
            visitor,
            status=error.status if error else 200,
            stores=stores,
            counts=await self._rows.counts(visitor.org_id),
            users={store.id: len(_users(living, store.id)) for store in stores},
            form=form,
            error=error,
            done="deleted" in request.query_params,
        )

    async def _one(self, request: Request, visitor: Visitor, form: Form, error: Refused | None = None) -> Response:
        """`form`: what was typed, to be typed again; values of secrets are not."""
        store = await ask(SecretStoreAnswer, self._api, "getSecretStore", request, visitor)
        users = _users(await self._living(visitor), store.id)
        return self._pages.show(
            request,
            "secret_store.html",
            visitor,
            status=error.status if error else 200,
            store=store,
            secrets=await ask(list[SecretAnswer], self._api, "listSecrets", request, visitor),
            users=users[:MOST_SHOWN],
            more=len(users) - MOST_SHOWN,
            form=form,
            error=error,
            done=DONE.get(request.query_params.get("done", "")),
        )

    async def _living(self, visitor: Visitor) -> list[Sandbox]:
        return await self._sandboxes.of_organization(visitor.org_id, LIVING, MOST_LISTED)

    # --- what is done ---

    async def create(self, request: Request, visitor: Visitor, form: Form) -> Response:
        body = {"name": form.get("name", "").strip(), "egressAllowlist": words(form.get("hosts", ""))}
        try:
            made = await ask(SecretStoreAnswer, self._api, "createSecretStore", request, visitor, body)
        except REFUSED as error:
            return await self._list(request, visitor, form, error)
        return RedirectResponse(ONE.format(store=made.id), 303)

    async def change(self, request: Request, visitor: Visitor, form: Form) -> Response:
        name, hosts = form.get("name", "").strip(), form.get("hosts", "")
        body = {"name": name, "egressAllowlist": words(hosts)}
        try:
            await call(self._api, "changeSecretStore", request, visitor, body)
        except REFUSED as error:
            return await self._one(request, visitor, {"name": name, "hosts": hosts}, error)
        return _done(request, "changed")

    async def delete(self, request: Request, visitor: Visitor, _: Form) -> Response:
        await call(self._api, "deleteSecretStore", request, visitor)
        return RedirectResponse(f"{ALL}?deleted", 303)

    async def set(self, request: Request, visitor: Visitor, form: Form) -> Response:
        name, hosts = form.get("secret", "").strip(), form.get("secret_hosts", "")
        body = {"value": form.get("value", ""), "allowedHosts": words(hosts)}
        try:
            await call(self._api, "setSecret", request, visitor, body, name=name)
        except REFUSED as error:
            return await self._one(request, visitor, {"secret": name, "secret_hosts": hosts}, error)
        return _done(request, "set")

    async def delete_secret(self, request: Request, visitor: Visitor, _: Form) -> Response:
        await call(self._api, "deleteSecret", request, visitor)
        return _done(request, "deleted")


async def store_names(api: Api, request: Request, visitor: Visitor) -> list[str]:
    """For a form in which one is chosen."""
    return [store.name for store in await ask(list[SecretStoreAnswer], api, "listSecretStores", request, visitor)]


def _users(sandboxes: list[Sandbox], store_id: str) -> list[Sandbox]:
    return [row for row in sandboxes if store_id in row.wish.egress.stores]


def _done(request: Request, what: str) -> Response:
    return RedirectResponse(f"{ONE.format(store=request.path_params['store'])}?done={what}", 303)
