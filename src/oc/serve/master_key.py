"""The master key's file: made once, and changed by `oc-host rotate-master-key`."""

from __future__ import annotations

import secrets

from oc.host import durable
from oc.settings import Settings

KEY_BYTES = 32


def ensure(settings: Settings) -> None:
    """Makes it when there is none. Without it no secret can be read again, so it is on the disk before it is used."""
    file = settings.master_key_file
    if not settings.master_key and not file.exists():
        durable.write_file(file, f"{_new()}\n".encode())


def begin_change(settings: Settings) -> None:
    """Puts a new key before those that are there."""
    file = settings.master_key_file
    durable.write_file(file, f"{_new()}\n{file.read_text()}".encode())


def end_change(settings: Settings) -> None:
    """Drops all but the current key, once nothing needs them any more."""
    file = settings.master_key_file
    durable.write_file(file, f"{file.read_text().split()[0]}\n".encode())


def _new() -> str:
    return secrets.token_hex(KEY_BYTES)
