"""A worker process of a test's own, with the fake runtime, spoken to as the server does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

PATIENCE_S = 60.0  # only ever reached by a failing test
MAIN = "from oc.settings import load; from oc.worker.main import run; run(load())"
ID = "sb-00000001"


def spec(id: str = ID, **changes: Any) -> dict[str, Any]:
    return {"id": id, "size": {"cpus": 1.0, "memory_mb": 64, "disk_mb": 64}, **changes}


@dataclass
class House:
    """`data`, `run`: the worker's directories. `start` may be called again after an end of any kind."""

    directory: Path
    agent: Path
    process: subprocess.Popen[bytes] | None = None
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.data, self.run = self.directory / "data", self.directory / "run"
        self.log = self.directory / "log"
        self.socket = self.run / "worker.sock"
        self.http = self._client()

    def _client(self) -> httpx.Client:
        transport = httpx.HTTPTransport(uds=str(self.socket))
        return httpx.Client(transport=transport, base_url="http://worker", timeout=PATIENCE_S)

    def environment(self) -> dict[str, str]:
        return {
            "OC_CONFIG": os.devnull,
            "OC_DATA_DIR": str(self.data),
            "OC_RUN_DIR": str(self.run),
            "OC_RUNTIME": "fake",
            "OC_AGENT": str(self.agent),
            "OC_DISK_RESERVE_MB": "0",
        }

    def spawn(self, **environment: str) -> subprocess.Popen[bytes]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OC_")}
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-c", MAIN],
                env=clean | self.environment() | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start(self, **environment: str) -> None:
        self.process = self.spawn(**environment)
        self.wait_for(self._ready)

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(self.socket)) != 0:
                return False
        return bool(self.http.get("/health").json()["status"] == "ok")

    def end(self, with_signal: signal.Signals = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(with_signal)
        return self.ended()

    def ended(self) -> int:
        """Waits for the worker's end; its exit code."""
        assert self.process is not None
        code = self.process.wait(PATIENCE_S)
        self.process = None
        self.http.close()  # its connections have ended with the worker
        self.http = self._client()
        return code

    def restart(self, **environment: str) -> None:
        self.end()
        self.start(**environment)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)

    # --- sandboxes ---

    def put(self, body: dict[str, Any]) -> httpx.Response:
        return self.http.put(f"/sandboxes/{body['id']}", json=body)

    def create(self, id: str = ID, **changes: Any) -> None:
        answer = self.put(spec(id, **changes))
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"id": id, "state": "running", "reason": None, "memory_kills": 0}

    def remove(self, id: str = ID) -> None:
        answer = self.http.delete(f"/sandboxes/{id}")
        assert answer.status_code == 204, answer.text

    def state(self, id: str = ID) -> str | None:
        answer = self.http.get(f"/sandboxes/{id}")
        return None if answer.status_code == 404 else str(answer.json()["state"])

    def sh(self, script: str, id: str = ID) -> str:
        body = {"cmd": "sh", "args": ["-c", script]}
        answer = self.http.post(f"/sandboxes/{id}/exec/run", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["stdout"])

    def script(self, *faults: dict[str, str]) -> None:
        """Of the fake runtime (`oc.runtime.fake.script`)."""
        path = self.run / "fake" / "faults.json"
        path.with_suffix(".new").write_text(json.dumps(faults))
        path.with_suffix(".new").rename(path)

    def kill_sandbox(self, id: str = ID) -> None:
        os.kill(int((self.run / "fake" / id / "pid").read_text()), signal.SIGKILL)
        self.wait_for(lambda: not self.processes(id))

    def processes(self, id: str = "") -> list[str]:
        """Command lines of all sandboxes, or of one. Dead processes have none."""
        mark = str(self.run / "fake" / id)
        return [line for entry in Path("/proc").glob("[0-9]*") if mark in (line := _command_line(entry))]

    def left(self) -> set[str]:
        """Files and processes of sandboxes."""
        places = (
            *(self.data / name for name in ("worker/sandboxes", "pool/disks")),
            *(self.run / name for name in ("roots", "network", "fake")),
        )
        files = {str(path) for place in places if place.is_dir() for path in place.iterdir() if "sb-" in path.name}
        return files | set(self.processes())

    def clear(self) -> None:
        """Ends all, whatever state a failed test left."""
        if self.process is not None:
            self.end()
        self.http.close()
        for entry in (self.run / "fake").glob("sb-*/pid"):
            if self.processes(entry.parent.name):
                os.kill(int(entry.read_text()), signal.SIGKILL)


def _command_line(entry: Path) -> str:
    try:
        return (entry / "cmdline").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
