"""Whether what runs is what is installed now, with the settings as they are now."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import oc
from oc.serve import invocation
from oc.settings import CONFIG_FILE, Settings

NAME = "service.fingerprint"


def record(settings: Settings) -> None:
    (settings.run_dir / NAME).write_text(of(settings))


def is_current(settings: Settings) -> bool:
    """Of the service that was started last."""
    try:
        return (settings.run_dir / NAME).read_text() == of(settings)
    except FileNotFoundError:
        return False


def of(settings: Settings) -> str:
    """Changes with the program, the agent, the settings and their file. Sizes and times of files stand for content."""
    digest = hashlib.sha256(repr(sorted(invocation.variables(settings).items())).encode())
    for path in _files(settings):
        digest.update(f"{path} {_state(path)}\n".encode())
    return digest.hexdigest()


def _files(settings: Settings) -> list[Path]:
    package = Path(oc.__file__).parent
    code = sorted(path for path in package.rglob("*") if path.suffix in {".py", ".sql"})
    return [*code, settings.agent, Path(os.environ.get("OC_CONFIG", CONFIG_FILE))]


def _state(path: Path) -> str:
    try:
        status = path.stat()
    except FileNotFoundError:
        return "-"
    return f"{status.st_size} {status.st_mtime_ns}"
