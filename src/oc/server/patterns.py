"""Names of hosts that may be reached: exact, `*.example.com`, or `*` (contract 2.11)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from oc.model.errors import BadRequest, TooLarge

MOST = 200
LONGEST = 253
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?"
_PATTERN = re.compile(rf"\*|(\*\.)?({_LABEL}\.)*{_LABEL}\.?")


def patterns(field: str, texts: Iterable[str]) -> tuple[str, ...]:
    """In lower case, each once, as they came. Raises BadRequest that names the field, and TooLarge."""
    found: dict[str, None] = {}
    for text in texts:
        pattern = text.strip().lower()
        # ASCII only: lower-casing maps some other letters onto it ("K", the Kelvin sign).
        if not text.isascii() or len(pattern) > LONGEST or not _PATTERN.fullmatch(pattern):
            raise BadRequest(
                f"{field}: {text[:80]!r} is not a host name",
                hint="write api.example.com, *.example.com for what is below it, or * for all; no scheme, port or path",
            )
        found[pattern.removesuffix(".")] = None
    if len(found) > MOST:
        raise TooLarge(f"{field} may have at most {MOST} entries")
    return tuple(found)
