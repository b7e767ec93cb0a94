"""Passwords, by argon2id with the library's parameters (RFC 9106). They take long and much memory, on purpose."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from oc.model.errors import BadRequest, Unavailable

T = TypeVar("T")
SHORTEST, LONGEST = 10, 200  # characters
AT_ONCE, MOST_WAITING = 2, 50


class Passwords:
    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        return await self._in_turn(lambda: self._hasher.hash(normal(password)))

    async def match(self, hash: str | None, password: str) -> bool:
        """As slow for no hash at all: how long it takes does not tell who has an account."""
        if self._nobodys is None:
            self._nobodys = await self.hash("nobody's password")
        right = await self._in_turn(lambda: self._verify(hash or self._nobodys or "", password))
        return right and hash is not None

    def is_outdated(self, hash: str) -> bool:
        """Whether the library has better parameters by now."""
        return self._hasher.check_needs_rehash(hash)

    def _verify(self, hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(hash, normal(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _in_turn(self, work: Callable[[], T]) -> T:
        """Raises Unavailable when too many wait for theirs."""
        if self._waiting >= MOST_WAITING:
            raise Unavailable("too many people are signing in at this moment", hint="try again in a minute")
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def normal(password: str) -> str:
    """The same characters, whichever way a keyboard composes them (RFC 8265, 4.2.2; NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def check(password: str, email: str) -> None:
    """Of a password that somebody chooses. Raises BadRequest."""
    if len(password) < SHORTEST:
        raise BadRequest(f"the password is too short: it needs {SHORTEST} characters")
    if len(password) > LONGEST:
        raise BadRequest(f"the password is longer than {LONGEST} characters")
    if password.strip().lower() == email:
        raise BadRequest("the password must not be the e-mail address")
