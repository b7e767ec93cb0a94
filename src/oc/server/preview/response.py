"""What of an answer from inside goes on to the client."""

from __future__ import annotations

from oc.server.preview.fields import CONNECTION, LENGTH, Fields, words
from oc.server.preview.upstream import BODILESS, Head
from oc.server.target import HOP_BY_HOP

SET_COOKIE = b"set-cookie"
DROPPED = HOP_BY_HOP | {b"date"}  # our server writes its own
BODY_FIELDS = frozenset((LENGTH,))


def returned(head: Head) -> Fields:
    """Fields of this hop stay here, and so do lengths of bodies that do not come (204, 304)."""
    dropped = DROPPED | named if (named := _named(head.fields)) else DROPPED
    if head.status in BODILESS:
        dropped |= BODY_FIELDS
    return [
        (name, _host_only(value) if name == SET_COOKIE else value) for name, value in head.fields if name not in dropped
    ]


def _named(fields: Fields) -> frozenset[bytes]:
    return frozenset(word for name, value in fields if name == CONNECTION for word in words(value))


def _host_only(cookie: bytes) -> bytes:
    """Without `Domain`: a sandbox sets no cookies for the names beside it, and none for the dashboard above."""
    pair, *attributes = cookie.split(b";")
    kept = [attribute for attribute in attributes if attribute.partition(b"=")[0].strip().lower() != b"domain"]
    return b";".join([pair, *kept])
