"""Times as the contract writes them (0.5): RFC 3339, UTC."""

from __future__ import annotations

import time

LAST = (
    253_402_300_799  # end of the year 9999: RFC 3339 has four digits, and a clock inside a sandbox can claim any year
)


def rfc3339(seconds: float) -> str:
    """Of seconds since the epoch."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(min(seconds, LAST)))


def now() -> str:
    return rfc3339(time.time())
