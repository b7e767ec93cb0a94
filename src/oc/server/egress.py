"""What governed sandboxes may send: made of their rules and of the secret stores that they use (contract 2.11).

Secrets are decrypted here, for the moment in which a worker is told of them.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import msgspec
import structlog

from oc.model.egress import Egress, Grant, Policy
from oc.model.errors import BadRequest, OpenComputerError
from oc.server.hosts import Worker
from oc.server.vault import Vault, place
from oc.store.sandboxes import Sandbox, Sandboxes, Wish
from oc.store.secret_stores import Secret, SecretStore, SecretStores

PROXY = "http://169.254.169.253:3128"
LOCAL = "localhost,127.0.0.1,::1,169.254.169.254"  # the metadata service is not the proxy's
CERTIFICATE = "/usr/local/share/ca-certificates/opensandbox-proxy.crt"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"  # it holds the certificate as well
# Of every process in a sandbox that has secrets (contract 2.11): by what programs find the proxy and trust it.
ENVIRONMENT = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), PROXY),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), LOCAL),
    **dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "PIP_CERT"), BUNDLE),
    "NODE_EXTRA_CA_CERTS": CERTIFICATE,
}
log = structlog.get_logger()


def placeholder() -> str:
    """43 characters (contract 5)."""
    return f"osb_sealed_{secrets.token_hex(16)}"


def environment(row: Sandbox) -> dict[str, str]:
    """Of every process in it; what its owner has set wins (contract 2.4)."""
    egress = row.wish.egress
    return {**(ENVIRONMENT if egress.stores else {}), **egress.sealed, **row.wish.envs}


class Governing:
    def __init__(self, stores: SecretStores, sandboxes: Sandboxes, vault: Vault, worker: Worker) -> None:
        self._stores = stores
        self._sandboxes = sandboxes
        self._vault = vault
        self._worker = worker

    async def governed(self, wish: Wish, org_id: str, egress: Egress, store: str | None) -> Wish:
        """The same sandbox, with what it may send. `store`: name of the secret store that it asks for."""
        if store:
            egress = await self.with_store(org_id, egress, store)
        return msgspec.structs.replace(wish, egress=egress)

    async def with_store(self, org_id: str, egress: Egress, name: str) -> Egress:
        """What a sandbox begins with that asks for a store; `egress`: what it has from its checkpoint, if any.

        Raises BadRequest when there is none of that name.
        """
        store = await self._stores.named(org_id, name)
        if store is None:
            raise BadRequest(f"secret store not found: {name[:128]}", hint="oc secret-store list")
        ids = (*(id for id in egress.stores if id != store.id), store.id)
        return Egress(ids, await self._seal(ids, egress.sealed), egress.rules)

    async def _seal(self, ids: Sequence[str], before: dict[str, str]) -> dict[str, str]:
        """Memory that was saved holds placeholders: those that there are stay."""
        names = [secret.name for id in ids for secret in await self._stores.secrets(id)]
        return before | {name: placeholder() for name in names if name not in before}

    async def apply(self, row: Sandbox) -> None:
        """Tells the worker, before the sandbox starts and whenever something has changed."""
        if (policy := await self.policy(row)) is not None:
            await self._worker.govern(policy)

    async def refresh(self, store_id: str) -> None:
        """Something in a store has changed: sandboxes that run are told now, others when they start."""
        for row in await self._sandboxes.governed_by(store_id):
            try:
                await self.apply(row)
            except OpenComputerError as error:  # it may be ending; when it starts again it is told
                log.warning("a sandbox was not told of a secret", sandbox=row.id, error=error.text)

    async def delete_store(self, row: Sandbox) -> None:
        """The one that counts most for it; fine when there is none any more."""
        for id in row.wish.egress.stores[-1:]:
            await self._stores.delete(id)
            await self.refresh(id)

    async def policy(self, row: Sandbox) -> Policy | None:
        """None: it is not governed. Its own rules go before its stores' lists of hosts."""
        reach = await self.reach(row)
        return None if reach is None else msgspec.structs.replace(reach, secrets=await self.grants(row))

    async def reach(self, row: Sandbox) -> Policy | None:
        """As `policy`, without the secrets: enough to be shown, and no key is needed for it."""
        egress = row.wish.egress
        if not egress.governed:
            return None
        stores, rules = await self.stores(egress), egress.rules
        hosts = rules.allow_hosts if rules else None
        # A store that has been deleted must not let a sandbox reach more than before.
        unsaid = None if len(stores) == len(egress.stores) else ()
        return Policy(
            sandbox=row.id,
            deny_all=rules is not None and rules.deny_all,
            allow_hosts=hosts if hosts is not None else allowlist(stores) or unsaid,
            allow_cidrs=rules.allow_cidrs if rules else (),
        )

    async def grants(self, row: Sandbox) -> tuple[Grant, ...]:
        """The secrets that it may use, of each name the last store's."""
        return tuple([self._grant(secret, row.wish.egress) for secret in await self.secrets(row)])

    async def stores(self, egress: Egress) -> list[SecretStore]:
        """Those that are still there, in their order."""
        return [store for id in egress.stores if (store := await self._stores.get(id)) is not None]

    async def secrets(self, row: Sandbox) -> list[Secret]:
        """As `grants`, still encrypted."""
        egress = row.wish.egress
        stores = await self.stores(egress)
        found = {secret.name: secret for store in stores for secret in await self._stores.secrets(store.id)}
        return [secret for name, secret in found.items() if name in egress.sealed]

    def _grant(self, secret: Secret, egress: Egress) -> Grant:
        value = self._vault.decrypt(secret.value, place(secret.store_id, secret.name))
        return Grant(secret.name, egress.sealed[secret.name], value, secret.allowed_hosts)


def allowlist(stores: Sequence[SecretStore]) -> tuple[str, ...]:
    """Of several stores, all that any of them names (contract 2.6.4); empty: any host."""
    return tuple(dict.fromkeys(host for store in stores for host in store.egress_allowlist))
