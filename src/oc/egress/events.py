"""Refusals, told to the worker by datagrams: lost ones are lost, and nobody waits for one."""

from __future__ import annotations

import json
import socket
import time
from collections import defaultdict
from pathlib import Path

from oc.egress import limits
from oc.egress.refusal import RefusedError


class Events:
    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.second = 0
        self.sent: dict[str, int] = defaultdict(int)

    def close(self) -> None:
        self.socket.close()

    def refused(self, source: str, sandbox: str, port: int, refusal: RefusedError) -> None:
        now = time.time()
        if not self.may_send(source, int(now)):
            return
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03}Z"
        event = {"address": source, "sandbox": sandbox, "at": at, "host": refusal.host, "port": port}
        try:
            self.socket.sendto(json.dumps({**event, "reason": refusal.reason}).encode(), self.path)
        except OSError:
            return  # nobody listens, or more slowly than sandboxes are refused

    def may_send(self, source: str, second: int) -> bool:
        if second != self.second:
            self.second = second
            self.sent.clear()
        self.sent[source] += 1
        return self.sent[source] <= limits.EVENTS_PER_SECOND
