"""How often one may try: token buckets, by e-mail address and by network address, in memory and bounded."""

from __future__ import annotations

import math
import time
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.requests import HTTPConnection

from oc.model.errors import TooMany
from oc.server.peer import address, is_address

PERIOD_S = 15 * 60
OF_EMAIL, OF_ADDRESS = 10, 30
MOST = 10_000  # keys that are remembered at once
OF_ONE_NETWORK = 64  # prefix of the addresses that one IPv6 customer has at least (RFC 6177)


class Limit:
    """So many attempts at once, and as many again in every period."""

    def __init__(self, attempts: int, period_s: float = PERIOD_S, most: int = MOST) -> None:
        self._attempts = attempts
        self._refill_s = period_s / attempts
        self._most = most
        self._full_at: dict[str, float] = {}  # when all attempts are there again; least recently used first

    def take(self, key: str) -> None:
        """Raises TooMany, with the seconds to wait as `retry_after`."""
        at = time.monotonic()
        full_at = max(self._full_at.pop(key, at), at)
        wait_s = full_at + self._refill_s - at - self._attempts * self._refill_s
        if wait_s <= 0:
            full_at += self._refill_s
        self._remember(key, full_at)
        if wait_s > 0:
            seconds = math.ceil(wait_s)
            raise TooMany("too many attempts", hint=f"try again in {_spoken(seconds)}", retry_after=seconds)

    def give_back(self, key: str) -> None:
        """An attempt that was right does not count."""
        if key in self._full_at:
            self._full_at[key] -= self._refill_s

    def _remember(self, key: str, full_at: float) -> None:
        if len(self._full_at) >= self._most:
            self._full_at.pop(next(iter(self._full_at)))
        self._full_at[key] = full_at


class Attempts:
    """Of coming in. Whether an account exists makes no difference to them."""

    def __init__(self) -> None:
        self._emails = Limit(OF_EMAIL)
        self._addresses = Limit(OF_ADDRESS)

    def begin(self, connection: HTTPConnection, email: str = "") -> None:
        """Raises TooMany."""
        self._addresses.take(network(connection))
        if email:
            self._emails.take(email)

    def succeed(self, connection: HTTPConnection, email: str = "") -> None:
        self._addresses.give_back(network(connection))
        if email:
            self._emails.give_back(email)


def network(connection: HTTPConnection) -> str:
    """The address; for IPv6 the network, since one host has as many addresses there as it likes."""
    text = address(connection)
    if not is_address(text):
        return text
    parsed = ip_address(text)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((int(parsed), OF_ONE_NETWORK), strict=False))
    return text


def _spoken(seconds: int) -> str:
    minutes = math.ceil(seconds / 60)
    return f"{seconds} seconds" if minutes <= 1 else f"{minutes} minutes"
