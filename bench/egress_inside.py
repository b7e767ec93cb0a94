"""Runs in a sandbox: times requests to a server outside and prints them as JSON, in seconds.

egress_inside.py HOST REQUESTS CONNECTIONS MEGABYTES BODIES
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import time
from collections.abc import Callable

PIECE = bytes(1 << 20)


def connect(host: str) -> http.client.HTTPSConnection:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # some see the server's own certificate
    return http.client.HTTPSConnection(host, context=context, timeout=600)


def ask(connection: http.client.HTTPSConnection, path: str = "/echo") -> None:
    connection.request("GET", path)
    answer = connection.getresponse()
    while answer.read(1 << 20):
        pass


def once(host: str) -> None:
    connection = connect(host)
    ask(connection)
    connection.close()


def send(connection: http.client.HTTPSConnection, megabytes: int) -> None:
    headers = {"Content-Length": str(megabytes << 20), "Content-Type": "application/octet-stream"}
    connection.request("PUT", "/take", (PIECE for _ in range(megabytes)), headers)
    connection.getresponse().read()


def timed(work: Callable[[], object], times: int) -> list[float]:
    taken = []
    for _ in range(times):
        began = time.monotonic()
        work()
        taken.append(time.monotonic() - began)
    return taken


def main(host: str, requests: int, connections: int, megabytes: int, bodies: int) -> None:
    connection = connect(host)
    ask(connection)
    figures = {
        "requests": timed(lambda: ask(connection), requests),
        "connections": timed(lambda: once(host), connections),
        "downloads": timed(lambda: ask(connection, f"/big/{megabytes}"), bodies),
        "uploads": timed(lambda: send(connection, megabytes), bodies),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:6]))
