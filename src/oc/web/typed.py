"""What was typed into a form, as the API takes it. What makes no sense is left as it is, so that the API says so."""

from __future__ import annotations

import math

from oc.model.errors import BadRequest


def number(text: str) -> int | float | str | None:
    """None when nothing was typed."""
    text = text.strip()
    try:
        return int(text)
    except ValueError:
        amount = _amount(text)
        return amount if math.isfinite(amount) else text or None  # JSON has no infinity


def _amount(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def texts(field: str, lines: str) -> dict[str, str]:
    """One `NAME=VALUE` on a line. Raises BadRequest."""
    found = {}
    for place, line in enumerate(lines.splitlines(), 1):
        name, equals, value = line.partition("=")
        if not equals and line.strip():
            raise BadRequest(f"{field}: line {place} is not NAME=VALUE")
        if equals:
            found[name.strip()] = value
    return found
