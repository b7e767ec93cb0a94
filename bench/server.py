"""The running server, as a program and as a person at a terminal use it."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

DEFAULT_URL = "http://127.0.0.1:8080"
CONFIG = Path.home() / ".oc" / "config.json"
LONGEST_S = 900  # a call that writes or saves gigabytes
LOOK_EVERY_S = 0.02


class Server:
    """Found as `oc` finds it: environment, then ~/.oc/config.json. Ends the program when there is no key."""

    def __init__(self) -> None:
        config = json.loads(CONFIG.read_text()) if CONFIG.exists() else {}
        self.url = os.environ.get("OPENCOMPUTER_API_URL") or config.get("api_url") or DEFAULT_URL
        self.key = os.environ.get("OPENCOMPUTER_API_KEY") or config.get("api_key") or ""
        if not self.key:
            sys.exit("Error: no API key in OPENCOMPUTER_API_KEY or ~/.oc/config.json\n  run: make up")
        self.api = httpx.Client(base_url=f"{self.url}/api", headers={"X-API-Key": self.key}, timeout=LONGEST_S)
        self._numbers = itertools.count(1)

    # --- sandboxes

    def create(self, **body: Any) -> str:
        return str(self._call("POST", "/sandboxes", body)["sandboxID"])

    def kill(self, *ids: str) -> None:
        for id in ids:
            self.api.delete(f"/sandboxes/{id}").raise_for_status()

    def run(self, id: str, *argv: str) -> str:
        """Returns what it printed."""
        body = {"cmd": argv[0], "args": argv[1:], "timeout": LONGEST_S}
        result = self._call("POST", f"/sandboxes/{id}/exec/run", body)
        assert result["exitCode"] == 0, result
        return str(result["stdout"])

    def start(self, id: str, *argv: str) -> str:
        """Returns the new session's id."""
        session = self._call("POST", f"/sandboxes/{id}/exec", {"cmd": argv[0], "args": argv[1:]})
        return str(session["sessionID"])

    def end(self, id: str, session: str) -> None:
        self._call("POST", f"/sandboxes/{id}/exec/{session}/kill", {})

    def upload(self, id: str, path: str, content: bytes) -> None:
        self.api.put(f"/sandboxes/{id}/files", params={"path": path}, content=content).raise_for_status()

    def oc(self, *argv: str, **options: Any) -> None:
        """As installed: the link on PATH where there is one, since finding the program is part of the time.

        A user's Python keeps the byte code of what it imports, whatever this process was told.
        """
        program = shutil.which("oc") or str(Path(sys.executable).with_name("oc"))
        environment = os.environ | {"OPENCOMPUTER_API_URL": self.url, "OPENCOMPUTER_API_KEY": self.key}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        subprocess.run([program, *argv], check=True, env=environment, stdin=subprocess.DEVNULL, **options)

    # --- time travel

    def checkpoint(self, id: str) -> str:
        """Saved, and perhaps still on its way to the blob store."""
        name = f"bench-{next(self._numbers)}"
        return str(self._call("POST", f"/sandboxes/{id}/checkpoints", {"name": name})["id"])

    def await_ready(self, id: str, checkpoint: str) -> None:
        while (listed := self._checkpoint(id, checkpoint))["status"] == "processing":
            time.sleep(LOOK_EVERY_S)
        assert listed["status"] == "ready", listed

    def _checkpoint(self, id: str, checkpoint: str) -> dict[str, Any]:
        listed: list[dict[str, Any]] = self._call("GET", f"/sandboxes/{id}/checkpoints")
        return next(entry for entry in listed if entry["id"] == checkpoint)

    def delete_checkpoint(self, id: str, checkpoint: str) -> None:
        self.api.delete(f"/sandboxes/{id}/checkpoints/{checkpoint}").raise_for_status()

    def fork(self, checkpoint: str, count: int) -> list[str]:
        forks = self._call("POST", f"/sandboxes/from-checkpoint/{checkpoint}", {"count": count})
        return [str(fork["sandboxID"]) for fork in forks]

    def restore(self, id: str, checkpoint: str) -> None:
        """Begins it; whatever is asked of the sandbox next waits for it."""
        self._call("POST", f"/sandboxes/{id}/checkpoints/{checkpoint}/restore")

    def hibernate(self, id: str) -> dict[str, Any]:
        """Of one that is hibernated already: how far it has come."""
        answer: dict[str, Any] = self._call("POST", f"/sandboxes/{id}/hibernate")
        return answer

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self.api.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json()
