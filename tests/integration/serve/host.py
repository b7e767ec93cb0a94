"""A host of the test's own: `oc-host` with the fake runtime, which touches nothing outside its directories."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE_S = 120.0
OC_HOST = Path(sys.executable).with_name("oc-host")


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Host:
    directory: Path  # that every user may pass
    instance: str
    port: int = field(default_factory=free_port)
    services: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def data_dir(self) -> Path:
        return self.directory / "data"

    @property
    def run_dir(self) -> Path:
        return self.directory / "run"

    @property
    def log(self) -> Path:
        return self.directory / "log"

    @property
    def environment(self) -> dict[str, str]:
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("OC_", "OPENCOMPUTER_", "SUDO_"))
        }
        return clean | {
            "HOME": str(self.directory),
            "OC_CONFIG": "/dev/null",
            "OC_RUNTIME": "fake",
            "OC_DATA_DIR": str(self.data_dir),
            "OC_RUN_DIR": str(self.run_dir),
            "OC_BIN_DIR": str(self.directory / "bin"),
            "OC_LISTEN": f"127.0.0.1:{self.port}",
            "OC_INSTANCE": self.instance,
        }

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [OC_HOST, *argv],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def serve(self) -> subprocess.Popen[bytes]:
        """Starts the service and waits until it is ready."""
        with self.log.open("ab") as log:
            service = subprocess.Popen(
                [OC_HOST, "serve"], env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.services.append(service)
        wait_for(lambda: self._ready(service), f"{self.url}/readyz: {self.log.read_text()}")
        return service

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _ready(self, service: subprocess.Popen[bytes]) -> bool:
        assert service.poll() is None, self.log.read_text()
        return self.ready()

    def ready(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    def pid(self, role: str) -> int:
        return int((self.run_dir / f"{role}.lock").read_text())

    def end(self) -> None:
        """Whatever state a failed test has left it in."""
        if self.data_dir.exists():
            self.run("down")
        for service in self.services:
            service.kill()
            service.wait()


def ended(pid: int) -> bool:
    """Zombies of children that are not ours included."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
