"""Numbered steps from an empty database to the present one. A step that has been released is never changed."""

from __future__ import annotations

import sqlite3
from importlib.resources import files

from oc.model.errors import Conflict


def steps() -> dict[int, str]:
    found = [entry for entry in files(__name__).iterdir() if entry.name.endswith(".sql")]
    return {int(entry.name[:4]): entry.read_text("utf-8") for entry in sorted(found, key=lambda entry: entry.name)}


def migrate(connection: sqlite3.Connection) -> None:
    """Takes the steps that are missing, all or none. Raises Conflict when a newer program has been here.

    BEGIN IMMEDIATE comes before the version is read, so that two programs that start at once take turns.
    """
    known = steps()
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection, max(known))
        for number in range(version + 1, max(known) + 1):
            _take(connection, known[number])
        connection.execute(f"PRAGMA user_version = {max(known)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection, newest: int) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > newest:
        raise Conflict(
            f"the database is of version {version}, and this program knows versions up to {newest}",
            hint="start the newer program, or restore the database that was saved before it ran",
        )
    return version


def _take(connection: sqlite3.Connection, script: str) -> None:
    """Statement by statement: `executescript` would commit the transaction first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
