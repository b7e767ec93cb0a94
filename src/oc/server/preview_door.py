"""Which sandbox a preview request is for, and whether it may come in (contract 2.9.2).

What visitors are told names the sandbox, which they know from the host name, and no more: reasons are in the log.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import structlog

from oc.model.errors import Gone, NotFound, OpenComputerError, Unauthorized, Unavailable
from oc.model.sandbox import Status
from oc.server import preview_names
from oc.server.gate import Gate
from oc.server.preview_names import Names
from oc.server.sleep import WakeFailed
from oc.settings import Settings
from oc.store.sandboxes import Sandbox
from oc.store.store import Store

TOKEN, AUTHORIZATION = b"x-oc-preview-token", b"authorization"
Headers = Iterable[tuple[bytes, bytes]]  # names in lower case
log = structlog.get_logger()


class Destination(NamedTuple):
    sandbox: str
    port: int
    host: str  # in lower case, without its port


class PreviewDoor:
    def __init__(self, settings: Settings, store: Store, gate: Gate) -> None:
        self._names = Names(settings)
        self._sandboxes = store.sandboxes
        self._previews = store.previews
        self._gate = gate

    async def destination(self, host: str) -> Destination | None:
        """Of a Host header; None when it names no preview: the request is for the API and the dashboard."""
        name = preview_names.normal(host)
        if (place := preview_names.place(name)) is not None:
            return Destination(*place, name)
        preview = await self._previews.named(name) if self._names.may_be_custom(name) else None
        return None if preview is None else Destination(preview.sandbox_id, preview.port, name)

    async def admit(self, destination: Destination, headers: Headers) -> frozenset[bytes]:
        """Returns once the sandbox runs: names of headers that carried the preview's token, not to be passed on.

        Nothing may be awaited from here to `Activity.busy`, so that it cannot go to sleep between (see `Gate`).
        Raises NotFound, Gone, Unauthorized, WakeFailed and Unavailable. The token is looked at before anything wakes.
        """
        id = destination.sandbox
        sandbox = await self._look(id)
        if sandbox.status in ENDED:
            raise ended(sandbox)
        spent = unlock(sandbox.preview_hash, headers)
        try:
            await self._gate.awake(partial(self._look, id), ended)
        except OpenComputerError as error:
            log.warning("preview not reached", sandbox=id, error=error.text)
            raise _for_visitors(id, error) from error
        return spent

    async def _look(self, id: str) -> Sandbox:
        sandbox = await self._sandboxes.glance(id)
        if sandbox is None:
            raise NotFound("sandbox not found")
        return sandbox


def unlock(hash: str | None, headers: Headers) -> frozenset[bytes]:
    """The headers that held the token; none where the door is open. Raises Unauthorized.

    A token of its own decides alone: an Authorization beside it is the page's, unless it holds the same token.
    """
    if hash is None:
        return frozenset()
    presented = _presented(headers)
    if not presented:
        raise Unauthorized("preview URL requires authentication")
    fits = [name for name in (TOKEN, AUTHORIZATION) if name in presented and _fits(presented[name], hash)]
    if not fits or (TOKEN in presented and TOKEN not in fits):
        raise Unauthorized("invalid preview token")
    return frozenset(fits)


def _presented(headers: Headers) -> dict[bytes, bytes]:
    """The first of each that is not empty."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        token = value.strip() if name == TOKEN else _bearer(value) if name == AUTHORIZATION else b""
        if token:
            found.setdefault(name, token)
    return found


def _bearer(value: bytes) -> bytes:
    scheme, _, token = value.strip().partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else b""


def _fits(token: bytes, hash: str) -> bool:
    return hmac.compare_digest(hashlib.sha256(token).hexdigest(), hash)


ENDED: dict[Status, str] = {Status.STOPPED: "has been stopped", Status.ERROR: "has failed"}


def ended(sandbox: Sandbox) -> OpenComputerError:
    """Of one that does not run."""
    if sandbox.status in ENDED:
        return Gone(f"sandbox {sandbox.id} {ENDED[sandbox.status]}")
    return Unavailable(f"sandbox {sandbox.id} is {sandbox.status}", hint="try again in a few seconds")


_TOLD: dict[type[OpenComputerError], Callable[[str], OpenComputerError]] = {
    NotFound: lambda _: NotFound("sandbox not found"),
    Gone: lambda id: Gone(f"sandbox {id} has been stopped"),
    WakeFailed: lambda id: WakeFailed(f"sandbox {id}: failed to wake", hint="try again"),
}


def _for_visitors(id: str, error: OpenComputerError) -> OpenComputerError:
    told = next((told for kind, told in _TOLD.items() if isinstance(error, kind)), None)
    return told(id) if told else Unavailable(f"sandbox {id} is not available now", hint="try again in a few seconds")
