"""`~/.oc/config.json`: who wins, what is kept, and who may read it."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from oc.cli import config
from oc.cli.errors import CliError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".oc" / "config.json"


def test_flags_win_over_environment_over_file_over_default(file: Path) -> None:
    variable = {"OPENCOMPUTER_API_URL": "http://environment"}
    assert config.resolve("api_url", None, {}) == config.DEFAULT_URL
    config.store("api_url", "http://file")
    assert config.resolve("api_url", None, {}) == "http://file"
    assert config.resolve("api_url", None, variable) == "http://environment"
    assert config.resolve("api_url", "http://flag", variable) == "http://flag"
    assert config.resolve("api_url", "", {"OPENCOMPUTER_API_URL": ""}) == "http://file"


def test_a_new_key_keeps_what_is_not_known_and_drops_the_login(file: Path) -> None:
    file.parent.mkdir()
    file.write_text(json.dumps({"later": [1], "login": {"name": "x"}, "api_key": "old"}))
    config.store("api_key", "new")
    assert json.loads(file.read_text()) == {"later": [1], "api_key": "new"}


def test_only_the_owner_can_read_it(file: Path) -> None:
    config.store("api_key", "secret")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in file.parent.iterdir()] == ["config.json"]


def test_a_link_stays_a_link(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles.json"
    target.write_text("{}")
    file.parent.mkdir()
    file.symlink_to(target)
    config.store("api_key", "new")
    assert file.is_symlink()
    assert json.loads(target.read_text()) == {"api_key": "new"}


@pytest.mark.parametrize("text", ["{", "[]", "\xff"])
def test_a_broken_file_is_named_and_left_alone(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text, encoding="latin-1")
    with pytest.raises(CliError, match=r"config\.json"):
        config.store("api_key", "new")
    assert file.read_text(encoding="latin-1") == text


def test_a_broken_file_does_not_matter_when_it_does_not_decide(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("{")
    assert config.resolve("api_key", "flag", {}) == "flag"


@pytest.mark.parametrize(
    ("key", "shown"), [("", ""), ("short", "*****"), ("12345678", "********"), ("osb_0123456789ab", "osb_********89ab")]
)
def test_a_masked_key_shows_its_ends_only(key: str, shown: str) -> None:
    assert config.masked(key) == shown
