"""What server and worker answer, asked from the same host with the standard library."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ANSWER_S = 5.0
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy is not on the way to our own host


def ready(url: str) -> bool:
    try:
        with NO_PROXY.open(f"{url}/readyz", timeout=ANSWER_S) as answer:
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException):  # URLError and HTTPError among them: it is not ready
        return False


def key_works(url: str, key: str) -> bool:
    request = urllib.request.Request(f"{url}/api/whoami", headers={"X-API-Key": key})  # noqa: S310 - http, from settings
    try:
        with NO_PROXY.open(request, timeout=ANSWER_S) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        if error.code in {401, 403}:
            return False
        raise


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("worker", timeout=ANSWER_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_S)
        self.sock.connect(str(self._path))


def worker(path: Path) -> dict[str, Any] | None:
    """What the worker says of its health; None when it does not answer."""
    connection = UnixConnection(path)
    try:
        connection.request("GET", "/health")
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return answer if isinstance(answer, dict) else None
