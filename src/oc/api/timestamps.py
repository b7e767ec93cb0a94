"""Instants: whole microseconds since 1970 in UTC, as rows keep them; RFC 3339 as clients read them (contract 5)."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> int:
    return time.time_ns() // 1000


def rfc3339(instant: int | None) -> str | None:
    """`2026-01-02T03:04:05.000006Z`; None stays None, since an empty text fails in Go clients (contract 0.5)."""
    if instant is None:
        return None
    return (EPOCH + timedelta(microseconds=instant)).isoformat(timespec="microseconds").replace("+00:00", "Z")
