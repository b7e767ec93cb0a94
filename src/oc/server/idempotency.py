"""A request sent again under its Idempotency-Key is done once and answered alike, also across a crash (design 7)."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

import msgspec
from starlette.requests import Request

from oc.model.errors import BadRequest, Conflict
from oc.store.idempotency import Idempotency

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[!-~]{1,255}")
Make = Callable[[str | None], Awaitable[bytes]]


def key_of(request: Request) -> str | None:
    """Raises BadRequest."""
    key = request.headers.get(HEADER)
    if key is not None and not _KEY.fullmatch(key):
        raise BadRequest(f"{HEADER} must be 1 to 255 printable ASCII characters without blanks")
    return key


def fingerprint(path: str, body: msgspec.Struct) -> str:
    """The same for the same request, however its JSON is written."""
    return hashlib.sha256(path.encode() + b"\0" + msgspec.json.encode(body, order="sorted")).hexdigest()


class Once:
    def __init__(self, claims: Idempotency) -> None:
        self._claims = claims
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def answer(self, org_id: str, key: str, request_hash: str, make: Make) -> bytes:
        """Calls `make` if there is no answer yet, with the id of what an earlier try began to make.

        Failures are not remembered: the next try begins anew. Raises Conflict when the key came with another request.
        """
        lock = self._locks.setdefault((org_id, key), asyncio.Lock())
        async with lock:
            claim = await self._claims.claim(org_id, key, request_hash)
            if claim.request_hash != request_hash:
                raise Conflict(f"{HEADER} {key} has been used with another request", hint="use a new key")
            if claim.answer is not None:
                return claim.answer.encode()
            answer = await make(claim.subject)
            await self._claims.keep(org_id, key, answer.decode())
            return answer
