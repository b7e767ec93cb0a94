"""The running server, as a program and as a person at a terminal use it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

DEFAULT_URL = "http://127.0.0.1:8080"
CONFIG = Path.home() / ".oc" / "config.json"


class Server:
    """Found as `oc` finds it: environment, then ~/.oc/config.json. Ends the program when there is no key."""

    def __init__(self) -> None:
        config = json.loads(CONFIG.read_text()) if CONFIG.exists() else {}
        self.url = os.environ.get("OPENCOMPUTER_API_URL") or config.get("api_url") or DEFAULT_URL
        self.key = os.environ.get("OPENCOMPUTER_API_KEY") or config.get("api_key") or ""
        if not self.key:
            sys.exit("Error: no API key in OPENCOMPUTER_API_KEY or ~/.oc/config.json\n  run: make up")
        self.api = httpx.Client(base_url=f"{self.url}/api", headers={"X-API-Key": self.key}, timeout=120)

    def create(self, **body: Any) -> str:
        return str(self._call("POST", "/sandboxes", body)["sandboxID"])

    def kill(self, id: str) -> None:
        self.api.delete(f"/sandboxes/{id}").raise_for_status()

    def run(self, id: str, *argv: str) -> None:
        result = self._call("POST", f"/sandboxes/{id}/exec/run", {"cmd": argv[0], "args": argv[1:]})
        assert result["exitCode"] == 0, result

    def start(self, id: str, *argv: str) -> str:
        """Returns the new session's id."""
        session = self._call("POST", f"/sandboxes/{id}/exec", {"cmd": argv[0], "args": argv[1:]})
        return str(session["sessionID"])

    def oc(self, *argv: str, **options: Any) -> None:
        """As installed: the link on PATH where there is one, since finding the program is part of the time."""
        program = shutil.which("oc") or str(Path(sys.executable).with_name("oc"))
        environment = os.environ | {"OPENCOMPUTER_API_URL": self.url, "OPENCOMPUTER_API_KEY": self.key}
        subprocess.run([program, *argv], check=True, env=environment, stdin=subprocess.DEVNULL, **options)

    def _call(self, method: str, path: str, body: dict[str, Any]) -> Any:
        answer = self.api.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json()
