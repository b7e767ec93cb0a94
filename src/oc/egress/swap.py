"""Placeholders become values, on the way out."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable
from urllib.parse import quote

from oc.egress.policy import Secret
from oc.egress.replace import Words

BASIC = re.compile(rb"(\s*basic\s+)([A-Za-z0-9+/=_-]+)\s*", re.IGNORECASE)
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

# The sandbox wrote its body around a placeholder, which looks the same in all of these; a value may not.
SPELLINGS: dict[str, Callable[[str], str]] = {
    "application/json": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "application/x-www-form-urlencoded": lambda value: quote(value, safe=""),
}


def body_words(secrets: Iterable[Secret], content_type: str) -> Words:
    """For a body of this type."""
    kind = content_type.partition(";")[0].strip().lower()
    spell = SPELLINGS.get("application/json" if kind.endswith("+json") else kind, str)
    return Words({secret.placeholder.encode(): spell(secret.value).encode() for secret in secrets})


def message_words(secrets: Iterable[Secret]) -> Words:
    """For messages of a WebSocket, whose format nobody declares."""
    return body_words(secrets, "")


def header(value: bytes, secrets: list[Secret]) -> bytes:
    """A header's value with values for placeholders; inside Basic credentials too, where they are encoded.

    A value with line breaks stays out of headers (it would end the header), but not out of Basic credentials.
    """
    basic = BASIC.fullmatch(value)
    if basic and (credentials := decoded(basic[2])) is not None:
        swapped = message_words(secrets).whole(credentials)
        return value if swapped == credentials else basic[1] + base64.b64encode(swapped)
    return message_words(secret for secret in secrets if not CONTROL.search(secret.value)).whole(value)


def decoded(text: bytes) -> bytes | None:
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_" if re.search(rb"[-_]", text) else None)
    except binascii.Error:
        return None
