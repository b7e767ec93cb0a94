"""What governed sandboxes have tried and were refused, as the proxy and the resolver tell it. Bounded, in memory."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections import deque
from pathlib import Path
from typing import Any

import msgspec

from oc.model.ids import SANDBOX

KEPT = 200  # of each sandbox, the latest
LARGEST = 4096  # bytes of one report
LONGEST_TEXT = 253
MICROSECONDS = 1_000_000


class Violation(msgspec.Struct, frozen=True):
    at: int  # microseconds since 1970
    host: str
    port: int
    reason: str


class Report(msgspec.Struct, frozen=True):
    """Of the proxy, which has read it off a hostile connection."""

    sandbox: str
    host: str = ""
    port: int = 0
    reason: str = ""


class Violations:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, deque[Violation]] = {}
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self, owner: int) -> None:
        """Listens for the proxy, which runs as `owner`. Open already: nothing."""
        if self._transport is not None:
            return
        self._path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        sock.bind(str(self._path))
        self._path.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(self._path, owner, owner)
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Reports(self), sock=sock)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def note(self, sandbox: str, host: str, port: int, reason: str) -> None:
        """Tries of one thing that follow each other, as a resolver makes them, are one entry: the latest."""
        kept = self._kept.setdefault(sandbox, deque(maxlen=KEPT))
        violation = Violation(int(time.time() * MICROSECONDS), host[:LONGEST_TEXT], port, reason[:LONGEST_TEXT])
        if kept and msgspec.structs.replace(kept[-1], at=violation.at) == violation:
            kept.pop()
        kept.append(violation)

    def of(self, sandbox: str) -> list[Violation]:
        """Newest first."""
        return list(reversed(self._kept.get(sandbox, ())))

    def forget(self, sandbox: str) -> None:
        self._kept.pop(sandbox, None)


class _Reports(asyncio.DatagramProtocol):
    def __init__(self, violations: Violations) -> None:
        self._violations = violations

    def datagram_received(self, data: bytes, _: Any) -> None:
        try:
            report = msgspec.json.decode(data[:LARGEST], type=Report)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return  # what cannot be read says nothing
        if SANDBOX.fullmatch(report.sandbox):
            self._violations.note(report.sandbox, report.host, report.port, report.reason)
