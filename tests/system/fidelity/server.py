"""The program's HTTP server: whoever asks for `/check` gets the report of a check made there and then."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .probe import Probe, WrongError


class Examiner:
    def __init__(self, probes: Sequence[Probe], number: Any) -> None:
        self._probes, self._number = probes, number
        self._asked = 0
        self._alone = threading.Lock()

    def report(self) -> dict[str, Any]:
        """`wrong` is empty when all is right; the rest is for whoever compares sandboxes."""
        with self._alone:
            self._asked += 1
            wrong = {probe.name: text for probe in self._probes if (text := fault(probe))}
            return {
                "wrong": wrong,
                "right": [probe.name for probe in self._probes if probe.name not in wrong],
                "asked": self._asked,
                "counter": self._number(),
                "pid": os.getpid(),
                "hostname": socket.gethostname(),
                "time": time.time(),
                "getrandom": os.getrandom(16).hex(),
                "uuid4": str(uuid.uuid4()),
            }


def fault(probe: Probe) -> str | None:
    try:
        probe.check()
    except (WrongError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return None


class Handler(BaseHTTPRequestHandler):
    examiner: Examiner

    def do_GET(self) -> None:
        body = json.dumps(self.examiner.report()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


def serve(examiner: Examiner, port: int) -> int:
    """Serves in the background; returns the port."""
    handler = type("Bound", (Handler,), {"examiner": examiner})
    server = ThreadingHTTPServer(("", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_address[1])
