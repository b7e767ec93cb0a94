"""Objects by key: the few calls that the rest makes of an object store, each patient and with typed errors.

`obstore` speaks to a local directory and to S3 alike. Its own messages hold addresses and signatures, so they are never
passed on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import obstore
from obstore import exceptions
from obstore.store import LocalStore, ObjectStore, S3Store, from_url

from oc.blobs.errors import BlobMissing, BlobUnavailable
from oc.model.errors import BadRequest

if TYPE_CHECKING:
    from obstore.store import ClientConfig

T = TypeVar("T")

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
CLIENT: ClientConfig = {"timeout": "60s", "connect_timeout": "10s", "allow_http": True}
Missing = tuple[type[Exception], ...]
MISSING: Missing = (exceptions.NotFoundError, FileNotFoundError)
FINAL: dict[type[Exception], str] = {
    exceptions.UnauthenticatedError: "it does not accept our credentials",
    exceptions.PermissionDeniedError: "our credentials do not allow it",
    exceptions.NotSupportedError: "it does not support the call",
    exceptions.InvalidPathError: "the path is not valid",
}


@dataclass(frozen=True, slots=True)
class Found:
    key: str
    size: int
    age_s: float


class Objects:
    """`patience_s`: how long a call is tried again before `BlobUnavailable` is raised."""

    def __init__(self, store: ObjectStore, name: str, patience_s: float) -> None:
        self._store, self._name, self._patience_s = store, name, patience_s

    async def put(self, key: str, data: bytes) -> None:
        """That something is missing is no answer to a write: the bucket is, for a store that just comes back."""
        await self._try(f"write {key}", partial(self._write, key, data), missing=())

    async def _write(self, key: str, data: bytes) -> None:
        await obstore.put_async(self._store, key, data, use_multipart=False)

    async def get(self, key: str) -> bytes:
        return await self._try(f"read {key}", lambda: self._read(key))

    async def _read(self, key: str) -> bytes:
        answer = await obstore.get_async(self._store, key)
        return bytes(await answer.bytes_async())

    async def find(self, key: str) -> Found | None:
        try:
            meta = await self._try(f"look for {key}", lambda: obstore.head_async(self._store, key))
        except BlobMissing:
            return None
        return Found(key, meta["size"], time.time() - meta["last_modified"].timestamp())

    async def delete(self, key: str) -> None:
        """A key that is not there is fine."""
        try:
            await self._try(f"delete {key}", lambda: obstore.delete_async(self._store, key))
        except BlobMissing:
            return

    async def under(self, prefix: str) -> AsyncIterator[Found]:
        for meta in await self._try(f"list {prefix}", lambda: self._list(prefix)):
            yield meta

    async def _list(self, prefix: str) -> list[Found]:
        """Whole, so that a listing that breaks off is tried again from its start and never taken for complete."""
        now, found = time.time(), []
        async for batch in obstore.list(self._store, prefix):
            found += [Found(meta["path"], meta["size"], now - meta["last_modified"].timestamp()) for meta in batch]
        return found

    async def _try(self, deed: str, call: Callable[[], Awaitable[T]], missing: Missing = MISSING) -> T:
        deadline, pause = time.monotonic() + self._patience_s, FIRST_PAUSE_S
        while True:
            try:
                return await call()
            except missing:
                raise BlobMissing(f"blob store {self._name} has no such object: could not {deed}") from None
            except (exceptions.BaseError, OSError) as error:
                reason = FINAL.get(type(error))
                if reason or time.monotonic() + pause > deadline:
                    raise BlobUnavailable(
                        f"blob store {self._name} could not {deed}: {reason or 'it fails or does not answer'}",
                        hint="check its settings and credentials" if reason else "it is tried again later",
                    ) from None
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)


def open_objects(url: str, *, patience_s: float = 30.0) -> Objects:
    """A directory by its path, or a store by a URL that obstore knows: `s3://bucket/prefix` with `AWS_*` settings."""
    if "://" not in url:
        path = Path(url)
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Objects(LocalStore(path, automatic_cleanup=True), url, patience_s)
    try:
        if url.startswith("s3://"):
            store: ObjectStore = S3Store.from_url(url, client_options=CLIENT, retry_config={"max_retries": 0})
        else:
            store = from_url(url)
    except (exceptions.BaseError, ValueError) as error:
        raise BadRequest(f"setting blobs is {url!r}: not a directory or a URL of an object store") from error
    return Objects(store, url, patience_s)
