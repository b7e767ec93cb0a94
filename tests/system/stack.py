"""A whole OpenComputer of the tests' own: `oc-host serve` on a free port, with its own names on the host.

Each slot has an instance name, a network and a data directory that no other stack shares, so that stacks run side by
side and what a killed test run left behind is cleared by name when its slot is used again.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx

PATIENCE_S = 90.0
OC_HOST = Path(sys.executable).with_name("oc-host")
OC = str(Path(sys.executable).with_name("oc"))


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Stack:
    """`start` and `down` bracket its life; the rest is how a person or a program would use it."""

    pool: Path  # a directory on a file system that clones, shared by all stacks
    slot: int
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    key: str = ""

    def __post_init__(self) -> None:
        self.port = free_port()

    @property
    def instance(self) -> str:
        return f"t{self.slot}"

    @property
    def data_dir(self) -> Path:
        return self.pool / "stacks" / self.instance

    @property
    def run_dir(self) -> Path:
        return Path("/run") / f"opencomputer-{self.instance}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("OC_", "OPENCOMPUTER_"))}
        settings = {
            "data_dir": str(self.data_dir),
            "run_dir": str(self.run_dir),
            "listen": f"127.0.0.1:{self.port}",
            "instance": self.instance,
            "network": f"10.{220 + self.slot}.0.0/16",
            "default_disk_mb": "4096",
            "disk_reserve_mb": "512",
            **self.settings,
        }
        return clean | {"OC_CONFIG": "/dev/null"} | {f"OC_{name.upper()}": value for name, value in settings.items()}

    def start(self) -> None:
        """Starts from nothing, whatever a former run left, and makes the first API key."""
        self.down()
        self._share_templates()
        self.serve()
        self.key = self.new_key("tests")

    def serve(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self.log() as log:
            self.process = subprocess.Popen(
                [OC_HOST, "serve"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait_ready()

    def log(self) -> IO[bytes]:
        return (self.data_dir / "serve.log").open("ab")

    def wait_ready(self) -> None:
        wait_for(self._ready, f"{self.url}/readyz")

    def _ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"oc-host serve ended with {self.process.returncode}: {self.tail()}")
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        return False

    def tail(self) -> str:
        return (self.data_dir / "serve.log").read_text(errors="replace")[-4000:]

    def _share_templates(self) -> None:
        """The base image is built once for all stacks; a template is cloned, not copied."""
        source = self.pool / "pool" / "templates"
        target = self.data_dir / "pool" / "templates"
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", "--reflink=always", source, target], check=True)
        subprocess.run(["cp", "-a", self.pool / "egress", self.data_dir / "egress"], check=True)

    def new_key(self, organization: str) -> str:
        ran = self.host("keys", "create", "--org", organization, "--name", "tests")
        assert ran.code == 0, ran.err
        return ran.out.split()[-1]

    def host(self, *argv: str) -> Ran:
        return execute([OC_HOST, *argv], self.environment)

    def oc(self, *argv: str, input: bytes | None = None, timeout: float = 300, key: str | None = None) -> Ran:
        """Runs the command line as a user would; what it prints is decoded."""
        return execute([OC, *argv], self.user_environment(key), input, timeout)

    def user_environment(self, key: str | None = None) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("OC_", "OPENCOMPUTER_"))}
        return clean | {
            "HOME": str(self.data_dir),
            "OPENCOMPUTER_API_URL": self.url,
            "OPENCOMPUTER_API_KEY": self.key if key is None else key,
        }

    def api(self, key: str | None = None) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self.url}/api", headers={"X-API-Key": self.key if key is None else key}, timeout=120
        )

    def create(self, **body: Any) -> str:
        with self.api() as api:
            answer = api.post("/sandboxes", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["sandboxID"])

    def kill(self, *ids: str) -> None:
        with self.api() as api:
            for id in ids:
                assert api.delete(f"/sandboxes/{id}").status_code == 204

    def sh(self, id: str, script: str, timeout: int = 60) -> Ran:
        """Runs a shell script in a sandbox, through the API."""
        with self.api() as api:
            body = {"cmd": "sh", "args": ["-c", script], "timeout": timeout}
            answer = api.post(f"/sandboxes/{id}/exec/run", json=body, timeout=timeout + 60)
        assert answer.status_code == 200, answer.text
        result = answer.json()
        return Ran(result["exitCode"], result["stdout"], result["stderr"])

    def pid(self, part: str) -> int:
        """Of the running `server` or `worker`."""
        assert self.process is not None
        for child in children(self.process.pid):
            if part.encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                return child
        raise AssertionError(f"no {part} runs under {self.process.pid}")

    def crash(self, *parts: str) -> None:
        """Kills `server` or `worker` or both, and waits until they are back."""
        victims = {self.pid(part) for part in parts}
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: self._back(victims), "server and worker to be back")

    def _back(self, victims: set[int]) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.tail()
        with contextlib.suppress(AssertionError, FileNotFoundError, ProcessLookupError):  # not yet
            return victims.isdisjoint({self.pid(part) for part in ("server", "worker")}) and self._ready()
        return False

    def runtime_pids(self, id: str) -> list[int]:
        """The runtime's own processes of a sandbox, on the host."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                line = (entry / "cmdline").read_bytes().split(b"\0")
                if b"runsc" in line[0] and id.encode() in line and str(self.run_dir).encode() in b" ".join(line):
                    found.append(int(entry.name))
        return found

    def kill_runtime(self, id: str) -> None:
        for pid in self.runtime_pids(id):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """Ends server and worker; sandboxes go on."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process = None

    def down(self) -> None:
        """Leaves nothing of this slot on the host, its data directory included."""
        self.stop()
        if self.data_dir.exists() or self.run_dir.exists():
            ran = self.host("down")
            assert ran.code == 0, ran.err
        shutil.rmtree(self.data_dir, ignore_errors=True)


def execute(
    argv: list[str | Path], environment: dict[str, str], input: bytes | None = None, timeout: float = 300
) -> Ran:
    done = subprocess.run(
        argv,
        env=environment,
        input=input,
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def free_port() -> int:
    """Below those that the kernel gives to clients, so that it is still free when a stack is started again."""
    for port in random.sample(range(15000, 30000), 1000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


def wait_for(condition: Any, what: str, patience_s: float = PATIENCE_S) -> Any:
    """Asks until the condition is true; the deadline only ends a test that has failed."""
    deadline = time.monotonic() + patience_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)
    return value
