"""SQLite behind one thread of its own: nothing here blocks an event loop, and statements never interleave."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from oc.model.errors import Failed, Unavailable
from oc.store.migrations import migrate
from oc.store.queries import bind

T = TypeVar("T")
BUSY_S = 10.0  # how long to wait for another program (`oc-host keys`) that is writing


class Session:
    """What a piece of work may do within its transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in self._connection.execute(*bind(query, parameters))]

    def one(self, query: str, **parameters: Any) -> dict[str, Any] | None:
        rows = self.all(query, **parameters)
        return rows[0] if rows else None

    def change(self, query: str, **parameters: Any) -> int:
        """Returns how many rows changed."""
        return self._connection.execute(*bind(query, parameters)).rowcount

    def change_each(self, query: str, parameters: Sequence[dict[str, Any]]) -> None:
        self._connection.executemany(bind(query, {})[0], parameters)


class Database:
    def __init__(self, connection: sqlite3.Connection, thread: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._thread = thread
        self.version = 0  # another one whenever something has been written: what was read before may be out of date

    @classmethod
    async def open(cls, path: Path) -> Database:
        """Creates what is missing and migrates. Raises Failed, and Conflict when the database is newer than we are."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        try:
            connection = await asyncio.get_running_loop().run_in_executor(thread, _connect, path)
        except BaseException:
            thread.shutdown()
            raise
        return cls(connection, thread)

    async def read(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        """One statement that changes nothing."""
        return await self._on_thread(partial(Session(self._connection).all, query, **parameters))

    async def run(self, work: Callable[[Session], T], *, durable: bool = False) -> T:
        """Runs the work in one transaction: all of it is kept, or none.

        `durable`: it is on the disk when this returns, and outlives a power cut (see `_connect`).
        """
        return await self._on_thread(partial(self._transact, work, durable))

    async def close(self) -> None:
        await self._on_thread(self._connection.close)
        self._thread.shutdown()

    async def _on_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _transact(self, work: Callable[[Session], T], durable: bool) -> T:
        """Raises Unavailable when the database cannot be written now (full disk, another program holds it)."""
        try:
            return self._commit(work, durable)
        except sqlite3.OperationalError as error:
            raise Unavailable(f"the database cannot be written: {error}") from error

    def _commit(self, work: Callable[[Session], T], durable: bool) -> T:
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(Session(self._connection))
            self._connection.execute("COMMIT")
            self.version = self._connection.total_changes
        except BaseException:
            if self._connection.in_transaction:  # SQLite rolls back by itself when the disk is full
                self._connection.execute("ROLLBACK")
            raise
        return result


def _connect(path: Path) -> sqlite3.Connection:
    """WAL: readers and a writer do not wait for each other.

    synchronous=NORMAL: a killed process loses nothing; a power cut may lose the last moments, in which the sandboxes
    that those rows tell of are lost as well. What must outlive it (a revoked key) is written with `durable`.
    """
    _prepare(path)
    try:
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection)
    except sqlite3.Error as error:
        hint = "see who owns it and whether it is intact"
        raise Failed(f"cannot open the database {path}: {error}", hint=hint) from error
    return connection


def _prepare(path: Path) -> None:
    """The database belongs to the owner of its directory, also when root opens it first.

    SQLite itself gives -wal and -shm to the owner of the database.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        owner = path.parent.stat()
        if os.geteuid() == 0 and path.stat().st_uid != owner.st_uid:
            os.chown(path, owner.st_uid, owner.st_gid)
    except OSError as error:
        raise Failed(f"cannot open the database {path}: {error.strerror}") from error
