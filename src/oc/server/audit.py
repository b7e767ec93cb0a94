"""The audit trail: who asked for what from where, and what came of it. Neither bodies, values nor queries are in it.

Entries are collected in memory and written once a second, so that no call waits for them; who kills the server may lose
those of the last second. What changes who may do what, and secrets, is on the disk before it is answered.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from itertools import islice
from types import TracebackType
from typing import Any

import msgspec
import structlog
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Send

from oc.api.calls import Call, Kind
from oc.model.errors import OpenComputerError
from oc.server.edge import HEADS, LEFT, SWITCHED
from oc.server.peer import address
from oc.store.accounts import Caller
from oc.store.audit import OF_PERSON, Audit, Entry

WRITE_S = 1.0
MOST_WAITING = 20_000  # while the database cannot be written
AT_ONCE = 500
LONGEST_ID = 128
CREATED, FAILED = 201, 500
SAFE = frozenset(("GET", "HEAD"))
WRITTEN_FIRST = frozenset((
    "createKey", "revokeKey", "decideLogin", "changePassword", "inviteMember", "revokeInvitation", "setRole",
    "removeMember", "createSecretStore", "changeSecretStore", "deleteSecretStore", "setSecret", "deleteSecret",
))  # fmt: skip
# Parameters of paths that name something; others may be secrets.
NAMES = frozenset(("id", "checkpoint", "patch", "session", "port", "store", "name"))
log = structlog.get_logger()


def is_audited(call: Call) -> bool:
    """What changes something, and what can type into a sandbox."""
    return call.method not in SAFE or call.kind is Kind.CHANNEL


def about(connection: HTTPConnection, *ids: str) -> None:
    """Says what the call is about, beside what its path names."""
    connection.scope["state"].setdefault("about", []).extend(ids)


class Trail:
    def __init__(self, rows: Audit) -> None:
        self._rows = rows
        self._waiting: deque[Entry] = deque()
        self._lost = 0
        self._turn = asyncio.Lock()

    async def note(self, connection: HTTPConnection, caller: Caller, call: str, status: int) -> None:
        kind = "person" if caller.key_id is None else "key"
        self._add(_entry(connection, caller.org_id, caller.actor, call, status, actor_kind=kind))
        if call in WRITTEN_FIRST:
            try:
                await self.write(durable=True)
            except OpenComputerError as error:  # it has been done: to say otherwise would be wrong. It is tried again
                log.warning("the audit log could not be written", error=error.text)

    def sign_in_failed(self, connection: HTTPConnection, email: str, status: int) -> None:
        """In the organizations of the person who has this address, if anybody has."""
        self._add(_entry(connection, OF_PERSON, email, "signIn", status, actor_kind="person"))

    async def write(self, *, durable: bool = False) -> None:
        """What waits now. Raises Unavailable; it waits on then."""
        async with self._turn:
            while self._waiting:
                batch = list(islice(self._waiting, AT_ONCE))
                await self._rows.add(batch, durable=durable)
                written = {entry.id for entry in batch}
                while self._waiting and self._waiting[0].id in written:
                    self._waiting.popleft()
            if self._lost:
                log.error("entries of the audit log are lost: the database could not be written", number=self._lost)
                self._lost = 0

    def _add(self, entry: Entry) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self._lost += 1
        self._waiting.append(entry)


class Watch:
    """Notes a call as soon as its status is known: when its answer begins, or when it fails."""

    def __init__(self, trail: Trail, connection: HTTPConnection, caller: Caller, call: str, send: Send) -> None:
        self._trail = trail
        self._connection = connection
        self._caller = caller
        self._call = call
        self._send = send
        self._noted = False

    async def send(self, message: Message) -> None:
        if message["type"] in HEADS:
            await self._note(message.get("status", SWITCHED))
        await self._send(message)

    async def __aenter__(self) -> Watch:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._note(LEFT if error is None else status_of(error))

    async def _note(self, status: int) -> None:
        if not self._noted:
            self._noted = True
            await self._trail.note(self._connection, self._caller, self._call, status)


def status_of(error: BaseException) -> int:
    """Of the answer that is made of it."""
    if isinstance(error, OpenComputerError):
        return error.status
    return LEFT if isinstance(error, ClientDisconnect | asyncio.CancelledError) else FAILED


class _Made(msgspec.Struct):
    id: str | None = None
    sandbox_id: str | None = msgspec.field(default=None, name="sandboxID")
    patch: _Made | None = None

    @property
    def name(self) -> str | None:
        return self.patch.name if self.patch else self.id or self.sandbox_id


def made(answer: ASGIApp) -> list[str]:
    """The ids of what an answer says has been made; a relayed one is not looked at."""
    if getattr(answer, "status_code", None) != CREATED or not (body := getattr(answer, "body", b"")):
        return []
    try:
        found = msgspec.json.decode(body, type=_Made | list[_Made])
    except msgspec.ValidationError:  # it has no ids of this kind
        return []
    return [one.name for one in (found if isinstance(found, list) else [found]) if one.name]


def _entry(connection: HTTPConnection, org_id: str, actor: str, call: str, status: int, **more: Any) -> Entry:
    return Entry(
        org_id=org_id,
        actor=actor,
        address=address(connection),
        call=call,
        object=_object(connection.path_params, connection.scope["state"].get("about", ())),
        status=status,
        request_id=connection.scope["state"]["request_id"],
        **more,
    )


def _object(path: Mapping[str, Any], about: list[str]) -> str:
    named = [str(value) for name, value in path.items() if name in NAMES]
    return "/".join(_shown(id) for id in [*named, *about])


def _shown(id: str) -> str:
    """Whatever stands in a path may come here."""
    return "".join(mark if mark.isprintable() else "?" for mark in id[:LONGEST_ID])
