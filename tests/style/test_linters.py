"""Style, types, imports and warnings of the compiler are tests, so that nobody has to remember them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.style.tree import ROOT

SOURCES = ("src", "tests", "bench")
EGRESS = ROOT / ".venv-egress" / "bin" / "python"  # its libraries are not in this environment
PROGRAMS = Path(sys.executable).parent
SCRIPTS = ("agent", "down", "install-packages", "install.sh", "lock", "say", "test", "up", "venv")
SHELL = (".ci/run", "src/oc/server/install.sh", *(f"scripts/{name}" for name in SCRIPTS))

CHECKS: dict[str, list[str | Path]] = {
    "ruff check": [PROGRAMS / "ruff", "check", "--no-cache", *SOURCES],
    "ruff format": [PROGRAMS / "ruff", "format", "--no-cache", "--check", *SOURCES],
    "mypy": [PROGRAMS / "mypy", "--strict", "--exclude", "oc/egress/", "-p", "oc", "-p", "tests", "-p", "bench"],
    "mypy of the egress proxy": [PROGRAMS / "mypy", "--strict", "--python-executable", EGRESS, "-p", "oc.egress"],
    "import-linter": [PROGRAMS / "lint-imports", "--no-cache"],
    "bash": ["bash", "-c", 'for script; do bash -n "$script" || exit; done', "-", *SHELL],
}


def run(*argv: str | Path, **environment: str) -> None:
    done = subprocess.run(
        argv,
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", CHECKS)
def test_check_has_nothing_to_say(name: str) -> None:
    run(*CHECKS[name], MYPYPATH="src:.")


def test_agent_compiles_without_a_warning(tmp_path: Path) -> None:
    """Its Makefile turns warnings into errors."""
    run("make", "-C", "agent", f"BUILD={tmp_path}", "-j2")
    assert (tmp_path / "oc-agent").stat().st_mode & 0o111
