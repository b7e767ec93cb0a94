"""The dashboard of a whole service: a worker with the fake runtime and a server, each a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.integration.worker.house import PATIENCE_S, House
from tests.web import signed_in, token

MAIN = "from oc.server.main import run; from oc.settings import load; from oc.web.app import web; run(load(), web)"


@dataclass
class Dashboard:
    """`browser`: signed in as the first user. `start` and `stop` bracket its life."""

    house: House
    port: int = field(default_factory=lambda: free_port())
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.house.directory / "server.log"

    def start(self) -> None:
        self.house.start()
        self.serve()
        self.browser = signed_in(self.url)
        self.csrf = token(self.browser)

    def serve(self) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OC_")}
        settings = {"OC_LISTEN": f"127.0.0.1:{self.port}", "OC_DEFAULT_DISK_MB": "64", "OC_DEFAULT_MEMORY_MB": "128"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", MAIN],
                env=clean | self.house.environment() | settings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.house.wait_for(self._answers)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/healthz", trust_env=False).status_code == 200
        return False

    def stop_server(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(PATIENCE_S)
            self.process = None

    def stop(self) -> None:
        if hasattr(self, "browser"):
            self.browser.close()
        self.stop_server()

    # --- as the scripts of its pages ---

    def call(self, method: str, path: str, status: int, **request: Any) -> Any:
        """An API call with the session's cookie and token; its answer's JSON, or None."""
        headers = {"X-CSRF-Token": self.csrf} | request.pop("headers", {})
        answer = self.browser.request(method, f"/app/api{path}", headers=headers, **request)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def attach(self, path: str, origin: str | None, **query: str) -> ClientConnection:
        """A WebSocket with the session's cookie, as a page of that origin opens it; None: without one."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.browser.cookies.items())
        return connect(
            f"{self.url.replace('http', 'ws')}/app/api{path}?{urlencode(query)}",
            origin=None if origin is None else Origin(origin),
            additional_headers={"Cookie": cookies},
            open_timeout=PATIENCE_S,
            proxy=None,
        )

    def create(self) -> str:
        return str(self.call("POST", "/sandboxes", 201, json={})["sandboxID"])

    def sleep(self, id: str) -> None:
        self.call("POST", f"/sandboxes/{id}/hibernate", 200)

    def status(self, id: str) -> str:
        return str(self.call("GET", f"/sandboxes/{id}", 200)["status"])

    def write(self, id: str, path: str, content: bytes) -> None:
        self.call("PUT", f"/sandboxes/{id}/files?path={quote(path, safe='')}", 204, content=content)

    def run(self, id: str, command: str) -> str:
        """The output of a shell command in the sandbox."""
        ran = self.call("POST", f"/sandboxes/{id}/exec/run", 200, json={"cmd": "sh", "args": ["-c", command]})
        assert ran["exitCode"] == 0, ran
        return str(ran["stdout"])

    def page(self, path: str, status: int = 200) -> str:
        answer = self.browser.get(path)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text}"
        return answer.text


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
