"""`oc-host keys`: API keys of this host, straight from its database. A key is shown once, when it is made."""

from __future__ import annotations

import asyncio
import json
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from oc.api.timestamps import rfc3339
from oc.model.errors import BadRequest, NotFound
from oc.serve import directories, privileges
from oc.serve.verb import Verb
from oc.settings import Settings
from oc.store.accounts import Key
from oc.store.audit import by_host
from oc.store.store import Store

COLUMNS = {"id": 36, "prefix": 8, "org": 12, "created": 27, "used": 27, "revoked": 27, "name": 0}


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", choices=ACTIONS, help="what to do")
    parser.add_argument("id", nargs="?", help="of the key to revoke, as `oc-host keys list` shows it")
    parser.add_argument("--org", metavar="NAME", help="organization; one that is new is made [default]")
    parser.add_argument("--name", default="", metavar="TEXT", help="what a new key is for")
    parser.add_argument("--json", action="store_true", help="list as JSON")


def run(settings: Settings, arguments: Namespace) -> int:
    """As the server's user: what the database makes beside itself then belongs to the server."""
    directories.prepare(settings)
    privileges.become(settings.server_uid)
    asyncio.run(ACTIONS[arguments.action](settings, arguments))
    return 0


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[Store]:
    store = await Store.open(settings.database)
    try:
        yield store
    finally:
        await store.close()


async def _create(settings: Settings, arguments: Namespace) -> None:
    async with _store(settings) as store:
        organization = await store.accounts.ensure_organization(arguments.org or "default")
        id, key = await store.accounts.create_key(organization.id, arguments.name)
        await store.audit.add([by_host(organization.id, "createKey", id)], durable=True)
    print(key)


async def _list(settings: Settings, arguments: Namespace) -> None:
    async with _store(settings) as store:
        keys = [key for key in await store.accounts.keys() if arguments.org in {None, key.org_name}]
    rows = [_row(key) for key in keys]
    print(json.dumps(rows, indent=2) if arguments.json else _table(rows))


async def _revoke(settings: Settings, arguments: Namespace) -> None:
    if arguments.id is None:
        raise BadRequest("which key is to be revoked?", hint="oc-host keys revoke ID; see: oc-host keys list")
    async with _store(settings) as store:
        if not await store.accounts.revoke_key(arguments.id):
            raise NotFound(f"no key {arguments.id} that could be revoked", hint="see: oc-host keys list")
        of = {key.id: key.org_id for key in await store.accounts.keys()}
        await store.audit.add([by_host(of[arguments.id], "revokeKey", arguments.id)], durable=True)
    print(f"Key {arguments.id} revoked; a running server refuses it within 5 seconds.")


def _row(key: Key) -> dict[str, str | None]:
    return {
        "id": key.id,
        "prefix": key.prefix,
        "org": key.org_name,
        "created": rfc3339(key.created_at),
        "used": rfc3339(key.last_used_at),
        "revoked": rfc3339(key.revoked_at),
        "name": key.name,
    }


def _table(rows: list[dict[str, str | None]]) -> str:
    if not rows:
        return "No keys."
    head: dict[str, str | None] = {name: name.upper() for name in COLUMNS}
    return "\n".join(
        "  ".join(f"{line[name] or '-':<{width}}" for name, width in COLUMNS.items()) for line in [head, *rows]
    )


Action = Callable[[Settings, Namespace], Coroutine[Any, Any, None]]
ACTIONS: dict[str, Action] = {"create": _create, "list": _list, "revoke": _revoke}
VERB = Verb(run, arguments)
