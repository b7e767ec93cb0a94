"""`oc` as a program of its own, as a user or a script runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE_S = 120
OC = Path(sys.executable).with_name("oc")
# Signals as a shell gives them, whatever the test runner has inherited.
DEFAULT_SIGNALS = ("env", "--default-signal=INT,TERM,PIPE")


@dataclass(frozen=True)
class Ran:
    code: int
    out: bytes
    err: bytes


@dataclass
class Program:
    home: Path
    url: str
    key: str
    environment: dict[str, str] = field(default_factory=dict)

    def variables(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("OC_", "OPENCOMPUTER_"))}
        ours = {"HOME": str(self.home), "OPENCOMPUTER_API_URL": self.url, "OPENCOMPUTER_API_KEY": self.key}
        return clean | ours | self.environment

    def __call__(self, *argv: str, input: bytes = b"") -> Ran:
        done = subprocess.run(
            [*DEFAULT_SIGNALS, OC, *argv],
            input=input,
            capture_output=True,
            env=self.variables(),
            timeout=PATIENCE_S,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*DEFAULT_SIGNALS, OC, *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.variables(),
        )

    def shell(self, script: str) -> Ran:
        done = subprocess.run(
            [*DEFAULT_SIGNALS, "bash", "-c", script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=self.variables() | {"OC": str(OC)},
            timeout=PATIENCE_S,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def seen(self) -> dict[str, Any]:
        """What the stand-in server has got so far."""
        with urllib.request.urlopen(f"{self.url}/seen", timeout=PATIENCE_S) as answer:
            seen: dict[str, Any] = json.load(answer)
        return seen
