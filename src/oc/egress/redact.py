"""Values become placeholders, on the way back."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from oc.egress.policy import Secret
from oc.egress.replace import Words

# A shorter value ("true", "5432") is found in most answers, would damage them, and is guessed as easily as read back.
LEAST = 8


def words(secrets: Iterable[Secret]) -> Words:
    """Every spelling of every value."""
    return Words(
        {
            spelling: secret.placeholder.encode()
            for secret in secrets
            if len(secret.value.encode()) >= LEAST
            for spelling in spellings(secret.value)
        }
    )


def spellings(value: str) -> set[bytes]:
    percent = quote(value, safe="")
    texts = {
        value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        json.dumps(value)[1:-1].replace("/", "\\/"),
        html.escape(value),
        percent,
        quote(value),
        quote_plus(value),
        lower_hex(percent),
    }
    return {text.encode() for text in texts} | set(in_base64(value.encode()))


def lower_hex(percent: str) -> str:
    """%2F as %2f, and nothing else."""
    head, *rest = percent.split("%")
    return head + "".join("%" + part[:2].lower() + part[2:] for part in rest)


def in_base64(value: bytes) -> Iterable[bytes]:
    """What the value always leaves in base64, wherever it lies in what is encoded (`user:VALUE` for example).

    Six bits make a character, so there are three ways; the characters at the ends that also depend on what lies beside
    the value are left out.
    """
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + value)
        sure = encoded[-(-before * 8 // 6) : (before + len(value)) * 8 // 6]
        if len(sure) >= LEAST:
            yield sure
            yield sure.replace(b"+", b"-").replace(b"/", b"_")
