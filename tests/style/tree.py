"""The files of this checkout that are ours, by git where it is a repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOT_OURS = {".git", ".venv", ".venv-egress", "build", "__pycache__"}


def files() -> list[Path]:
    """Tracked, and new ones that are not ignored."""
    argv = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    if not (ROOT / ".git").exists():
        return [path for path in ROOT.rglob("*") if path.is_file() and not NOT_OURS & set(path.parts)]
    # A checkout that belongs to somebody else than root is still the one under test.
    safe = ["git", "-c", f"safe.directory={ROOT}", *argv[1:]]
    listed = subprocess.run(safe, capture_output=True, check=True).stdout
    return [path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()]


def texts() -> dict[Path, str]:
    """Of those that are text."""
    found = {}
    for path in files():
        data = path.read_bytes()
        if b"\0" not in data:
            found[path.relative_to(ROOT)] = data.decode()
    return found
