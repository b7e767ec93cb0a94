"""A user with an empty home who installs `oc`, and what they then have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
PATIENCE_S = 120
SYSTEM_PATH = "/usr/bin:/bin"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@dataclass
class Home:
    path: Path
    search: str = SYSTEM_PATH
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def oc(self) -> Path:
        return self.path / ".local" / "bin" / "oc"

    @property
    def versions(self) -> Path:
        return self.path / ".local" / "share" / "opencomputer" / "cli"

    @property
    def installed(self) -> set[str]:
        """Beside the lock, by which runs wait for each other."""
        return {entry.name for entry in self.versions.iterdir()} - {".lock"}

    @property
    def config(self) -> Path:
        return self.path / ".oc" / "config.json"

    def settings(self) -> dict[str, Any]:
        values: dict[str, Any] = json.loads(self.config.read_text())
        return values

    def configure(self, **values: str) -> None:
        self.config.parent.mkdir()
        self.config.write_text(json.dumps(values))

    def run(self, *argv: str | Path, input: str = "") -> Ran:
        """With nothing of the environment that the tests run in."""
        environment = {"HOME": str(self.path), "PATH": self.search, "SHELL": "/bin/bash", **self.variables}
        done = subprocess.run(
            argv, input=input, capture_output=True, text=True, env=environment, timeout=PATIENCE_S, check=False
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def pipe(self, script: str) -> Ran:
        """As `... | bash` runs it."""
        return self.run("bash", input=script)

    def from_checkout(self) -> Ran:
        return self.run(ROOT / "scripts" / "install.sh")


def tools(directory: Path, *without: str, python: bool = False) -> str:
    """A PATH with what a system has, but for some programs, and for every Python unless one is wanted."""
    directory.mkdir()
    for program in (path for place in SYSTEM_PATH.split(":") for path in Path(place).iterdir()):
        link = directory / program.name
        if program.name not in without and not program.name.startswith("python") and not os.path.lexists(link):
            link.symlink_to(program)
    if python:
        (directory / "python3").symlink_to(interpreter())
    return str(directory)


def interpreter() -> Path:
    """Of the system, not of an environment."""
    return Path(sys.executable).resolve()
