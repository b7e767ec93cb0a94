"""`oc-host rotate-master-key`: encrypts every secret under a new master key. The server may run meanwhile.

Killed at any moment, it can be run again: until all is done the file holds the former keys too.
"""

from __future__ import annotations

import asyncio
from argparse import Namespace

from oc.serve import directories, master_key, privileges
from oc.serve.verb import Verb
from oc.server.vault import Vault, place
from oc.settings import Settings
from oc.store.audit import EVERYWHERE, by_host
from oc.store.secret_stores import Secret
from oc.store.store import Store


def run(settings: Settings, _: Namespace) -> int:
    directories.prepare(settings)
    privileges.become(settings.server_uid)
    master_key.ensure(settings)
    if not settings.master_key:
        master_key.begin_change(settings)
    count = asyncio.run(_encrypt_anew(settings))
    if not settings.master_key:
        master_key.end_change(settings)
    print(
        f"{count} secrets are encrypted under {'the first key of master_key' if settings.master_key else 'a new key'}."
    )
    return 0


async def _encrypt_anew(settings: Settings) -> int:
    vault = Vault(settings)

    def anew(secret: Secret) -> str:
        where = place(secret.store_id, secret.name)
        return vault.encrypt(vault.decrypt(secret.value, where), where)

    store = await Store.open(settings.database)
    try:
        count = await store.secret_stores.encrypt_anew(anew)
        await store.audit.add([by_host(EVERYWHERE, "rotateMasterKey")], durable=True)
        return count
    finally:
        await store.close()


VERB = Verb(run)
