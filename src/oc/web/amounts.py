"""Times and amounts as people read them; filters of templates."""

from __future__ import annotations

from datetime import datetime

from oc.api.timestamps import SECOND, now, rfc3339

UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def exact(instant: int | str) -> str:
    """RFC 3339, of an instant of a row or of an answer of the API."""
    return instant if isinstance(instant, str) else rfc3339(instant) or ""


def to_the_second(instant: int | str) -> str:
    return _moment(instant).strftime("%Y-%m-%d %H:%M:%S UTC")


def ago(instant: int | str) -> str:
    return f"{age(instant)} ago"


def age(instant: int | str) -> str:
    """In its largest unit: nobody reads `3 h 12 min 5 s` in a table."""
    seconds = now() / SECOND - _moment(instant).timestamp()
    return next((f"{int(seconds // size)} {unit}" for size, unit in UNITS if seconds >= size), "0 s")


def duration(seconds: int) -> str:
    """Exactly."""
    words = []
    for size, unit in UNITS:
        number, seconds = divmod(seconds, size)
        words += [f"{number} {unit}"] if number else []
    return " ".join(words) or "0 s"


def size(number: float) -> str:
    """Bytes, with three figures or fewer."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1024
    return f"{number:.3g} TiB"


def cpus(number: float) -> str:
    return f"{number:.2f}"


def _moment(instant: int | str) -> datetime:
    return datetime.fromisoformat(exact(instant))


FILTERS = {
    "exact": exact,
    "to_the_second": to_the_second,
    "ago": ago,
    "age": age,
    "duration": duration,
    "size": size,
    "cpus": cpus,
}
