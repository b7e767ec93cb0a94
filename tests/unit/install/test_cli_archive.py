"""What install.sh unpacks: all that the command line needs, and always the same bytes."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from oc.server import cli_archive

IMPORT_ALL = """
import importlib, pkgutil, sys
sys.path.append(sys.argv[1])
import oc.cli
for module in pkgutil.walk_packages(oc.cli.__path__, "oc.cli."):
    importlib.import_module(module.name)
loaded = [module for name, module in sys.modules.items() if name.partition(".")[0] == "oc"]
assert all(module.__file__.startswith(sys.argv[1]) for module in loaded), loaded
print(len(loaded))
"""


def names(packed: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        return tar.getnames()


def test_command_line_imports_nothing_but_itself_and_the_standard_library(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(cli_archive.archive())) as tar:
        tar.extractall(tmp_path)
    argv = [sys.executable, "-I", "-S", "-c", IMPORT_ALL, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50


def test_archive_holds_nothing_of_the_server_and_nothing_but_sources() -> None:
    found = names(cli_archive.archive())
    assert {"oc/__init__.py", "oc/cli/main.py", "oc/cli/verbs/exec_run.py", "oc/model/ids.py"} <= set(found)
    assert all(name.endswith(".py") for name in found)
    assert {name.split("/")[1] for name in found} == {"__init__.py", "cli", "model"}
    assert found == sorted(found)


def test_same_files_give_the_same_bytes_whatever_their_times_and_modes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "oc"
    shutil.copytree(cli_archive.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "web", "worker"))
    for path in copy.rglob("*.py"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    monkeypatch.setattr(cli_archive, "PACKAGE", copy)
    assert cli_archive.archive.__wrapped__() == cli_archive.archive()
