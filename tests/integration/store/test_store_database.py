"""The database file: migrations, transactions, and two programs at once."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path

import pytest

from oc.model.errors import Conflict, Failed
from oc.store.database import Database, Session
from oc.store.migrations import steps
from oc.store.queries import QUERIES
from oc.store.store import Store


def test_every_statement_fits_the_schema(tmp_path: Path) -> None:
    async def work() -> None:
        await (await Store.open(tmp_path / "db")).close()

    asyncio.run(work())
    connection = sqlite3.connect(tmp_path / "db")
    try:
        for sql in QUERIES.values():
            names = {
                name: 0 for name in sql.replace("(", " ").replace(")", " ").replace(",", " ").split() if name[0] == ":"
            }
            connection.execute(f"EXPLAIN {sql}", {name[1:]: value for name, value in names.items()})
    finally:
        connection.close()


def test_database_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "db"
    newer = max(steps()) + 1
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {newer}")
    connection.close()
    with pytest.raises(Conflict, match=f"version {newer}"):
        asyncio.run(Database.open(path))
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    connection.close()


def test_step_that_fails_leaves_no_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "oc.store.migrations.steps", lambda: {1: "CREATE TABLE a (b TEXT);", 2: "CREATE TABLE a (b TEXT);"}
    )
    with pytest.raises(Failed, match="already exists"):
        asyncio.run(Database.open(tmp_path / "db"))
    connection = sqlite3.connect(tmp_path / "db")
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    connection.close()


def test_two_programs_may_open_an_empty_one_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        stores = await asyncio.gather(*(Store.open(tmp_path / "db") for _ in range(4)))
        made = await asyncio.gather(*(store.accounts.ensure_organization("same") for store in stores))
        assert len({organization.id for organization in made}) == 1
        for store in stores:
            await store.close()

    asyncio.run(work())


def test_work_that_fails_changes_nothing(tmp_path: Path) -> None:
    def work(session: Session) -> None:
        session.change("add_organization", id="1", name="half", at=0)
        raise ZeroDivisionError

    async def attempt() -> None:
        database = await Database.open(tmp_path / "db")
        with pytest.raises(ZeroDivisionError):
            await database.run(work)
        assert await database.read("organization_named", name="half") == []
        await database.close()

    asyncio.run(attempt())


def test_unusable_path_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failed, match="cannot open the database"):
        asyncio.run(Database.open(tmp_path / "file" / "db"))
    (tmp_path / "junk").write_bytes(b"junk" * 1000)
    with pytest.raises(Failed, match="cannot open the database"):
        asyncio.run(Database.open(tmp_path / "junk"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_database_opened_by_root_belongs_to_the_owner_of_its_directory(tmp_path: Path) -> None:
    directory = tmp_path / "server"
    directory.mkdir(mode=0o700)
    os.chown(directory, 61184, 61184)

    async def work() -> None:
        store = await Store.open(directory / "db")
        await store.accounts.ensure_organization("x")
        assert {path.stat().st_uid for path in directory.iterdir()} == {61184}
        assert (directory / "db").stat().st_mode & 0o777 == 0o600
        await store.close()

    asyncio.run(work())
