"""Text that comes from inside a sandbox, so that all of it is seen: nothing in it moves, hides or reorders the rest."""

from __future__ import annotations

import unicodedata

KEPT = frozenset("\n\t")
HIDDEN = frozenset(("Cc", "Cf", "Co", "Cs", "Zl", "Zp"))  # general categories of Unicode: controls, formats...


def of_text(text: str) -> str:
    """Of many lines, which may end as those of DOS."""
    return _shown(text.replace("\r\n", "\n"), KEPT)


def of_name(text: str) -> str:
    """Of one line."""
    return _shown(text, frozenset())


def _shown(text: str, kept: frozenset[str]) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _escaped(mark) if mark not in kept and unicodedata.category(mark) in HIDDEN else mark for mark in text
    )


def _escaped(mark: str) -> str:
    """As Python writes it: \\x1b, \\u202e."""
    return mark.encode("unicode_escape").decode()
