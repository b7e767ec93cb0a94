"""Why something does not leave."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """As reported; the words are part of the format of events."""

    DENY_ALL = "all egress is denied"
    HOST = "host is not allowed"
    DIRECT = "direct address"
    PRIVATE = "private address"
    UNRESOLVED = "name has no address"
    UNREACHABLE = "no connection to the host"
    MISMATCH = "names of one connection differ"
    MALFORMED = "malformed request"
    CROWDED = "too many connections"
    UNREADABLE = "answer cannot be read for secrets"
    GONE = "no policy"


class RefusedError(Exception):
    """Raised where it is noticed, answered and reported in one place (gate.py, rules.py)."""

    def __init__(self, reason: Reason, host: str, hint: str = "") -> None:
        super().__init__(
            f"OpenComputer egress: {host or 'this connection'} refused: {reason}{hint and ' (' + hint + ')'}"
        )
        self.reason = reason
        self.host = host[:253]
