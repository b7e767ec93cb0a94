"""How the values of flags are read; what is wrong with one is said in words."""

from __future__ import annotations

from argparse import ArgumentTypeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LONGEST_NUMBER = 18  # digits; more is a mistake, and would not be an integer everywhere


def natural(text: str) -> int:
    """A whole number, not negative."""
    if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER):
        raise ArgumentTypeError(f"{text!r} is not a whole number from 0 up")
    return int(text)


def positive(text: str) -> int:
    number = natural(text)
    if not number:
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return number


def instant(text: str) -> str:
    """A time of RFC 3339, from itself or from how long ago it was, as `24h`."""
    from datetime import UTC, datetime, timedelta

    number, unit = text[:-1], text[-1:]
    try:
        if unit in UNITS and number.isascii() and number.isdecimal():
            moment = datetime.now(UTC) - timedelta(**{UNITS[unit]: int(number)})
        else:
            moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is neither a time, as 2026-01-02T03:04:05Z, nor as 30m, 24h or 7d") from None
    return moment.isoformat().replace("+00:00", "Z")


def processors(text: str) -> int | float:
    """As `2` or `0.5`."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6:  # also refuses nan
        raise ArgumentTypeError(f"{text!r} is not a number of vCPUs, such as 2 or 0.5")
    return int(value) if value.is_integer() else value


def pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ArgumentTypeError(f"{text!r} is not of the form KEY=VALUE")
    return name, value


def pairs(text: str) -> list[tuple[str, str]]:
    """`A=1,B=2` is two; a part without `=` belongs to the value before it; `"A=1,B=2"` in quotes is one."""
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        return [pair(text[1:-1].replace('""', '"'))]
    parts: list[str] = []
    for part in text.split(","):
        if parts and "=" not in part:
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    return [pair(part) for part in parts]


def merged(lists: Iterable[Iterable[tuple[str, str]]]) -> dict[str, str]:
    """The last of a name wins."""
    return {name: value for pairs in lists for name, value in pairs}
