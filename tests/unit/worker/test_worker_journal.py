"""The journal: what was written is found again, what is damaged is told."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from oc.worker.journal import Journal, Record, Step
from tests.unit.worker.memory import ID, SPEC

RECORD = Record(msgspec.structs.replace(SPEC, envs={"A": "1"}), Step.RUNNING, token=bytes(range(32)), memory_kills=3)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "sandboxes")
    journal.open()
    return journal


def test_records_are_found_by_the_next_process(journal: Journal) -> None:
    journal.write(RECORD)
    assert Journal(journal.directory).open() == {ID: RECORD}


def test_a_deleted_record_is_gone_and_deleting_again_is_fine(journal: Journal) -> None:
    journal.write(RECORD)
    journal.delete(ID)
    journal.delete(ID)
    assert journal.open() == {}


def test_leftovers_of_an_interrupted_write_are_removed(journal: Journal) -> None:
    journal.write(RECORD)
    (journal.directory / f".{ID}.json.abcd").write_text("{")
    assert journal.open() == {ID: RECORD}
    assert [path.name for path in journal.directory.iterdir()] == [f"{ID}.json"]


@pytest.mark.parametrize("damage", [b"", b"{", b'{"spec": {}}', b"\xff\xff"])
def test_a_damaged_record_is_a_lost_sandbox(journal: Journal, damage: bytes) -> None:
    (journal.directory / f"{ID}.json").write_bytes(damage)
    record = journal.open()[ID]
    assert (record.spec.id, record.step) == (ID, Step.LOST)
    assert record.reason == "its record on the host is damaged"


def test_records_are_for_root_alone(journal: Journal) -> None:
    """They hold tokens and the environment of sandboxes."""
    journal.write(RECORD)
    assert journal.directory.stat().st_mode & 0o077 == 0
    assert (journal.directory / f"{ID}.json").stat().st_mode & 0o077 == 0
