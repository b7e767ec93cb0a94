"""What the program holds: each probe makes its thing once, and is asked again and again whether it is still right."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Protocol

PATIENCE_S = 60.0


class WrongError(Exception):
    """What a probe found, in words."""


class Probe(Protocol):
    name: str

    def check(self) -> None:
        """Raises WrongError."""
        ...


def known_bytes(name: str, length: int) -> bytes:
    """Bytes that look random and that anyone who knows the name can make again."""
    return hashlib.shake_128(name.encode()).digest(length)


def expect(found: object, expected: object, what: str) -> None:
    if found != expected:
        raise WrongError(f"{what}: {_short(found)} instead of {_short(expected)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:40]}...{text[-20:]} ({len(text)} long)"


def expect_growth(read: Callable[[], int], former: int, what: str) -> int:
    """Waits until the number is above what it was. A number that went back is wrong at once."""
    deadline = time.monotonic() + PATIENCE_S
    while (value := read()) <= former:
        if value < former:
            raise WrongError(f"{what} went back from {former} to {value}")
        if time.monotonic() > deadline:
            raise WrongError(f"{what} stands at {value}")
        time.sleep(0.01)
    return value
