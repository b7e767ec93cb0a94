"""An image is made anew exactly when something in it has changed."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from oc.host import ca
from oc.model.errors import Unavailable
from oc.settings import Settings
from oc.worker import dressing
from oc.worker.dressing import BUNDLE, TRUST_VARIABLES, Dressing, File
from oc.worker.recipe import BASE

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    path = tmp_path / "agent"
    path.write_bytes(b"\x7fELF")
    return path


def test_a_recipes_key_follows_its_contents() -> None:
    others = [
        replace(BASE, suite="trixie"),
        replace(BASE, size_mb=4096),
        replace(BASE, packages=("git",)),
        replace(BASE, dpkg=()),
        replace(BASE, steps=()),
    ]
    assert replace(BASE).key() == BASE.key()
    assert len({BASE.key(), *(recipe.key() for recipe in others)}) == 1 + len(others)


def test_a_dressings_key_follows_files_modes_and_base() -> None:
    worn = Dressing({"/a": File(b"a"), "/b": File(b"b")}, {})
    same = Dressing({"/b": File(b"b"), "/a": File(b"a")}, {})
    assert worn.key("base") == same.key("base")
    others = [
        worn.key("other base"),
        Dressing({"/a": File(b"a"), "/b": File(b"c")}, {}).key("base"),
        Dressing({"/a": File(b"a"), "/b": File(b"b", 0o755)}, {}).key("base"),
        Dressing({"/a": File(b"a"), "/c": File(b"b")}, {}).key("base"),
    ]
    assert len({worn.key("base"), *others}) == 5


def test_an_archive_has_every_file_as_roots_with_its_mode() -> None:
    worn = Dressing({"/etc/a": File(b"a"), "/.oc/agent": File(b"program", 0o755)}, {})
    with tarfile.open(fileobj=io.BytesIO(worn.archive())) as tar:
        found = [(entry.name, entry.mode, entry.uid, entry.size, entry.isreg()) for entry in tar]
    assert found == [("etc/a", 0o644, 0, 1, True), (".oc/agent", 0o755, 0, 7, True)]


@pytest.mark.parametrize("certificates", [[], [CERTIFICATE]])
def test_programs_are_told_of_added_certificates_only_if_there_are_any(
    agent: Path, monkeypatch: pytest.MonkeyPatch, certificates: list[str]
) -> None:
    monkeypatch.setattr(ca, "extra_certificates", lambda: certificates)
    worn = dressing.of_host(Settings(agent=agent), "bookworm")
    told = {name for name, value in worn.environment.items() if value == BUNDLE}
    assert told == (set(TRUST_VARIABLES) if certificates else set())
    added = [file.data.decode() for path, file in worn.files.items() if path.startswith(dressing.ADDED)]
    assert added == certificates


def test_the_agent_must_have_been_built(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no agent at"):
        dressing.of_host(Settings(agent=tmp_path / "none"), "bookworm")
