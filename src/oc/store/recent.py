"""Rows that were read lately, so that who asks on every request need not wait for the database's thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from oc.store.database import Database

T = TypeVar("T")
MOST = 4096


class Recent(Generic[T]):
    """What was read is good for as long as this process, the only one that changes such rows, has written nothing.

    What is not there is remembered as well: strangers may ask for anything, over and over.
    """

    def __init__(self, database: Database, read: Callable[[str], Awaitable[T]]) -> None:
        self._database = database
        self._read = read
        self._version = -1
        self._rows: dict[str, T] = {}

    async def get(self, key: str) -> T:
        version = self._database.version
        if version != self._version:
            self._version = version
            self._rows.clear()
        if key in self._rows:
            return self._rows[key]
        row = await self._read(key)
        if self._version == version == self._database.version:
            self._remember(key, row)
        return row

    def _remember(self, key: str, row: T) -> None:
        if len(self._rows) >= MOST:
            self._rows.pop(next(iter(self._rows)))
        self._rows[key] = row
