"""What was typed into a form, as the API takes it. What makes no sense is left as it is, so that the API says so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

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


def words(text: str) -> list[str]:
    """Separated by blanks, commas, or line by line."""
    return text.replace(",", " ").split()


def reach(text: str) -> tuple[list[str], list[str]]:
    """Host names, and networks: what has nothing but digits, dots and a slash."""
    typed = words(text)
    networks = [word for word in typed if not set(word) - set("0123456789./")]
    return [word for word in typed if word not in networks], networks


def rules(form: Mapping[str, str]) -> dict[str, Any] | None:
    """Of what a sandbox may reach, as the API takes it; None when nothing was typed."""
    hosts, networks = reach(form.get("allow", ""))
    deny = bool(form.get("deny_all"))
    if not (hosts or networks or deny):
        return None
    return {"denyAll": deny, "allowHosts": hosts, "allowCidrs": networks}


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
