"""What `oc-host up` writes outside its own directories: somebody's configuration, and links on the PATH."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from oc.model.errors import Failed
from oc.serve import link, log_file
from oc.serve.client_config import ClientConfig
from oc.serve.root import User
from oc.settings import Settings


@pytest.fixture
def config(tmp_path: Path) -> ClientConfig:
    root = os.geteuid() == 0
    return ClientConfig(User(12345 if root else os.getuid(), 12345 if root else os.getgid(), "ann", tmp_path))


def test_configuration_is_its_owners_alone(config: ClientConfig) -> None:
    config.write({"api_key": "k"})
    config.write({"api_key": "l"})
    assert config.read() == {"api_key": "l"}
    assert [path.name for path in config.path.parent.iterdir()] == ["config.json"]
    for path, mode in ((config.path, 0o600), (config.path.parent, 0o700)):
        status = path.stat()
        assert (status.st_mode & 0o777, status.st_uid, status.st_gid) == (mode, config.owner.uid, config.owner.gid)


def test_directory_that_is_a_link_is_not_followed(config: ClientConfig, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".oc").symlink_to("elsewhere")
    with pytest.raises(Failed, match="cannot write"):
        config.write({"api_key": "k"})
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_configuration_that_is_broken_is_not_overwritten(config: ClientConfig) -> None:
    config.path.parent.mkdir()
    config.path.write_text("{")
    with pytest.raises(Failed, match="cannot read"):
        config.read()


def test_links_are_made_renewed_and_removed(tmp_path: Path) -> None:
    settings = Settings(bin_dir=tmp_path / "bin", data_dir=tmp_path)
    settings.bin_dir.mkdir()
    (settings.bin_dir / "oc").symlink_to("/old/checkout/.venv/bin/oc")
    link.mark(settings)
    assert link.link_commands(settings.bin_dir) == []
    assert (settings.bin_dir / "oc").readlink() == link.program("oc")
    link.unlink_commands(settings)
    assert list(settings.bin_dir.iterdir()) == []


def test_program_of_somebody_else_is_left_alone_and_told(tmp_path: Path) -> None:
    settings = Settings(bin_dir=tmp_path / "bin", data_dir=tmp_path)
    settings.bin_dir.mkdir()
    (settings.bin_dir / "oc").write_text("another oc")
    link.mark(settings)
    (sentence,) = link.link_commands(settings.bin_dir)
    assert str(link.program("oc")) in sentence
    link.unlink_commands(settings)
    assert (settings.bin_dir / "oc").read_text() == "another oc"


def test_links_of_another_installation_stay_when_this_one_goes(tmp_path: Path) -> None:
    settings = Settings(bin_dir=tmp_path / "bin", data_dir=tmp_path)
    link.link_commands(settings.bin_dir)
    link.unlink_commands(settings)
    assert (settings.bin_dir / "oc").is_symlink()


def test_log_that_has_grown_too_large_is_cut_and_kept_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "LARGEST", 10)
    log = tmp_path / "log"
    with log.open("ab") as file:
        file.write(b"0123456789\n")
        file.flush()
        log_file.limit(file.fileno())
        file.write(b"new\n")
    assert log.read_bytes() == b"new\n"
    assert (tmp_path / "log.1").read_bytes() == b"0123456789\n"


def test_configuration_is_json_as_the_command_line_reads_it(config: ClientConfig) -> None:
    config.write({"api_url": "http://127.0.0.1:1", "unknown": {"kept": True}})
    assert json.loads(config.path.read_text()) == {"api_url": "http://127.0.0.1:1", "unknown": {"kept": True}}
