"""A process that gives up root still finds its own code, wherever the checkout lies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import oc

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has something to give up")

PROGRAM = """
import os, sys
sys.path[:0] = [{code!r}]
import package.early
from oc.serve import privileges
privileges.become(61184)
assert not os.access({code!r}, os.X_OK)
import package.late, single
print(os.getresuid(), os.getgroups(), package.late.NAME, single.NAME)
try:
    os.setuid(0)
except PermissionError:
    print("for good")
"""


def test_modules_in_a_directory_of_root_alone_are_imported_afterwards(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    code = hidden / "code"
    (code / "package").mkdir(parents=True)
    hidden.chmod(0o700)
    for name in ("package/__init__", "package/early", "package/late", "single"):
        (code / f"{name}.py").write_text(f"NAME = {name!r}\n")
    source = Path(oc.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(code=str(code))],
        env=os.environ | {"PYTHONPATH": str(source)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["(61184, 61184, 61184) [] package/late single", "for good"], done.stderr
