"""What goes to standard output and standard error: bytes as they are, text for a person, JSON for a script."""

from __future__ import annotations

import json
import os
import select

TYPE_CHECKING = False  # `typing` costs a tenth of what the whole command line may take to start
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

STDIN, STDOUT, STDERR = 0, 1, 2
COLOURS = {"running": "32", "hibernated": "33", "error": "31", "stopped": "2", "Error:": "31"}
COLOURS |= {"ready": "32", "processing": "33", "failed": "31"}


def keep_standard_descriptors() -> None:
    """Opens /dev/null for those that are closed, so that no socket takes their numbers."""
    for descriptor in (STDIN, STDOUT, STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one


def write(descriptor: int, data: bytes | memoryview) -> None:
    """All of it. Raises OSError; BrokenPipeError when the reader has gone."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # someone who shares the descriptor has made it non-blocking
            select.select([], [descriptor], [])


def line(text: str) -> None:
    write(STDOUT, encoded(f"{text}\n"))


def note(text: str) -> None:
    """For the user's eyes only: stdout stays clean."""
    write(STDERR, encoded(f"oc: {printable(text)}\n"))


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def as_json(value: Any) -> None:
    line(json.dumps(value, indent=2, ensure_ascii=False))


def printable(text: object) -> str:
    """What a sandbox chose may hold control sequences; a terminal must not obey them."""
    text = str(text)
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def coloured(text: str, *, wanted: bool) -> str:
    return f"\x1b[{COLOURS[text]}m{text}\x1b[0m" if wanted and text in COLOURS else text


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, colour: bool = False) -> None:
    """Columns two blanks apart, as wide as their widest cell; the last is not padded."""
    cells = [tuple(head), *(tuple(printable(cell) for cell in row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padding = [" " * (width - len(cell) + 2) for cell, width in zip(row, widths, strict=True)]
        padding[-1] = ""
        line("".join(coloured(cell, wanted=colour) + pad for cell, pad in zip(row, padding, strict=True)))


def fields(pairs: Iterable[tuple[str, object]]) -> None:
    """`Label:` and value, one a line, the values below each other."""
    pairs = list(pairs)
    width = max(len(label) for label, _ in pairs) + 2
    for label, value in pairs:
        line(f"{f'{label}:':{width}}{printable(value)}".rstrip())


def duration(seconds: float) -> str:
    """As `5s`, `2m3s`, `1h0m0s`."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def size(count: object) -> str:
    """Of a number of bytes, as `12.3 MB`; `-` when it is 0 or none."""
    return f"{count / (1 << 20):.1f} MB" if isinstance(count, int) and count > 0 else "-"


def instant(text: str | None) -> str:
    """An RFC 3339 time to the second, in UTC; `-` when there is none."""
    from datetime import UTC, datetime

    try:
        return datetime.fromisoformat(text or "").astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return "-"


def age(started: str | None, now: float) -> str:
    """Of an RFC 3339 time; `-` when there is none. `now` is in seconds since the epoch."""
    from datetime import datetime

    try:
        return duration(now - datetime.fromisoformat(started or "").timestamp())
    except ValueError:
        return "-"
