"""Secrets at rest: AES-256-GCM under a master key (design 6).

The key is `master_key` of the settings, or else the file that `oc-host` makes at the first start. Either may hold
several, the current one first: what was encrypted under a former one can still be read, so that keys can be changed
while the server runs and whatever is killed meanwhile.
"""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from oc.model.errors import Failed
from oc.settings import Settings

NONCE_BYTES = 12  # NIST SP 800-38D, 8.2.2: random, so at most 2^32 values under one key
KEY_BYTES = 32
ID_LENGTH = 8


def place(store_id: str, name: str) -> str:
    """Of a secret."""
    return f"{store_id}/{name}"


class Vault:
    """Errors never hold a value nor a key."""

    def __init__(self, settings: Settings) -> None:
        self._given = settings.master_key
        self._file = settings.master_key_file
        self._read: tuple[object, dict[str, AESGCM]] | None = None

    def encrypt(self, value: str, place: str) -> str:
        """`place` is where the value is kept; elsewhere it cannot be read. Raises Failed without a key."""
        id, key = next(iter(self._keys().items()))
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + key.encrypt(nonce, value.encode(), place.encode())
        return f"{id}:{base64.b64encode(sealed).decode()}"

    def decrypt(self, text: str, place: str) -> str:
        """Raises Failed when its key is missing, or it is not what was written there."""
        id, _, sealed = text.partition(":")
        key = self._keys().get(id)
        if key is None:
            raise Failed("a secret was encrypted under a master key that is not there any more", hint=str(self._file))
        try:
            raw = base64.b64decode(sealed, validate=True)
            return key.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], place.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise Failed("a secret in the database is damaged", hint="set it again") from error

    def _keys(self) -> dict[str, AESGCM]:
        """By id, the current one first. The file is read again when it has changed."""
        version = self._given or _version(self._file)
        if self._read is None or self._read[0] != version:
            self._read = version, _parse(self._given or self._file.read_text())
        return self._read[1]


def _version(file: Path) -> object:
    try:
        status = file.stat()
    except OSError as error:
        raise Failed(f"the master key {file} cannot be read: {error.strerror}") from error
    return status.st_mtime_ns, status.st_ino


def _parse(text: str) -> dict[str, AESGCM]:
    keys = {}
    for word in text.replace(",", " ").split():
        try:
            key = bytes.fromhex(word)
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise Failed(f"a master key must have {2 * KEY_BYTES} hexadecimal digits")
        keys[hashlib.sha256(key).hexdigest()[:ID_LENGTH]] = AESGCM(key)
    if not keys:
        raise Failed("there is no master key")
    return keys
