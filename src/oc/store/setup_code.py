"""The code that the first person to sign up must know, where more than this host can reach the server.

It is a file that only this host's administrators can read, from the start of a server without people until there is
one. Nothing else stands between a new server and whoever finds it first.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from ipaddress import ip_address
from pathlib import Path

from oc.settings import Settings
from oc.store.people import People

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels: no words; few that are mistaken for each other (RFC 8628, 6.1)
GROUPS, LETTERS = 4, 4  # 69 bits


def path(settings: Settings) -> Path:
    return settings.database.parent / "setup-code"


def is_wanted(settings: Settings) -> bool:
    """Whether the settings let others than programs on this host reach the server."""
    host = settings.listen.rpartition(":")[0].strip("[]")
    return bool(settings.public_url) or not is_loopback(host)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read(settings: Settings) -> str | None:
    """None: there are people already, or the server has not started yet."""
    try:
        return path(settings).read_text().strip()
    except FileNotFoundError:
        return None


def to_show(settings: Settings) -> str | None:
    """To an administrator of this host; None where nobody is asked for one."""
    return read(settings) if is_wanted(settings) else None


async def prepare(settings: Settings, people: People) -> None:
    """Makes the code while there is nobody; removes it once there is."""
    if await people.exist():
        await asyncio.to_thread(remove, settings)
    elif await asyncio.to_thread(read, settings) is None:
        await asyncio.to_thread(_make, path(settings))


def remove(settings: Settings) -> None:
    path(settings).unlink(missing_ok=True)


def matches(settings: Settings, typed: str) -> bool:
    code = read(settings)
    return code is not None and secrets.compare_digest(_letters(code).encode(), _letters(typed).encode())


def grouped(groups: int, letters: int) -> str:
    """A random code, such as BCDF-GHJK."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(letters)) for _ in range(groups))


def _letters(text: str) -> str:
    return "".join(letter for letter in text.upper() if letter.isalnum())


def _make(file: Path) -> None:
    """Whole or not at all, whenever the server is killed."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(f"{grouped(GROUPS, LETTERS)}\n")
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)
