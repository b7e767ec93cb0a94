"""Rows of preview URLs: which ports of sandboxes are listed, and the host names that people have given them.

A port can be reached without a row (contract 2.9.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from oc.api.timestamps import now
from oc.model.errors import BadRequest, Conflict
from oc.model.ids import new_uuid
from oc.store.database import Database, Session
from oc.store.events import record
from oc.store.recent import Recent

MOST = 100  # of one sandbox: each may take a certificate


class Preview(msgspec.Struct, frozen=True):
    id: str
    org_id: str
    sandbox_id: str
    port: int
    custom_hostname: str | None
    auth_config: dict[str, Any]
    created_at: int


class Wanted(msgspec.Struct, frozen=True):
    """A preview URL that is to be. Without a host name, one that has one keeps it."""

    sandbox_id: str
    port: int
    custom_hostname: str | None
    auth_config: dict[str, Any]
    url: str  # for the log of what happened


class Previews:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._recent = Recent(database, self._named)

    async def put(self, wanted: Wanted) -> tuple[Preview, bool] | None:
        """The preview URL of that port, and whether it is new; None when the sandbox has ended.

        Raises Conflict when another one has the host name, BadRequest when there are too many.
        """
        return await self._database.run(partial(_put, wanted))

    async def get(self, sandbox_id: str, port: int) -> Preview | None:
        rows = _found(await self._database.read("preview", sandbox_id=sandbox_id, port=port))
        return rows[0] if rows else None

    async def named(self, custom_hostname: str) -> Preview | None:
        """By its host name, in lower case; for who asks again and again."""
        return await self._recent.get(custom_hostname)

    async def of_sandbox(self, sandbox_id: str) -> list[Preview]:
        """By port."""
        return _found(await self._database.read("previews_of_sandbox", sandbox_id=sandbox_id))

    async def delete(self, sandbox_id: str, port: int) -> bool:
        """False: there is none."""

        def work(session: Session) -> bool:
            rows = _found(session.all("delete_preview", sandbox_id=sandbox_id, port=port))
            for row in rows:
                _record_change(session, row, None)
            return bool(rows)

        return await self._database.run(work)

    async def _named(self, custom_hostname: str) -> Preview | None:
        rows = _found(await self._database.read("preview_named", custom_hostname=custom_hostname))
        return rows[0] if rows else None


def _put(wanted: Wanted, session: Session) -> tuple[Preview, bool] | None:
    known = _found(session.all("preview", sandbox_id=wanted.sandbox_id, port=wanted.port))
    if known and wanted.custom_hostname in (None, known[0].custom_hostname):
        return known[0], False
    _check_free(session, wanted.custom_hostname)
    rows = _rename(session, known[0], wanted) if known else _add(session, wanted)
    for row in rows:
        _record_change(session, row, wanted.url)
    return (rows[0], not known) if rows else None


def _check_free(session: Session, custom_hostname: str | None) -> None:
    if custom_hostname is not None and session.one("preview_named", custom_hostname=custom_hostname):
        raise Conflict(f"domain {custom_hostname} belongs to another preview URL", hint="delete that one first")


def _rename(session: Session, known: Preview, wanted: Wanted) -> list[Preview]:
    return _found(session.all("rename_preview", id=known.id, custom_hostname=wanted.custom_hostname))


def _add(session: Session, wanted: Wanted) -> list[Preview]:
    if session.all("count_previews", sandbox_id=wanted.sandbox_id)[0]["number"] >= MOST:
        hint = "every port can be reached without being listed"
        raise BadRequest(f"maximum {MOST} preview URLs per sandbox", hint=hint)
    columns = {
        "sandbox_id": wanted.sandbox_id,
        "port": wanted.port,
        "custom_hostname": wanted.custom_hostname,
        "auth_config": msgspec.json.encode(wanted.auth_config).decode(),
    }
    return _found(session.all("add_preview", id=new_uuid(), at=now(), **columns))


def _record_change(session: Session, row: Preview, url: str | None) -> None:
    """The event's data are its port and its URL, if it still has one (contract 2.14)."""
    what = f"{row.port} {url}" if url else str(row.port)
    record(session, row.org_id, row.sandbox_id, "sandbox.preview_url.changed", now(), what)


def _found(rows: Sequence[dict[str, Any]]) -> list[Preview]:
    return [msgspec.convert(row | {"auth_config": msgspec.json.decode(row["auth_config"])}, Preview) for row in rows]
