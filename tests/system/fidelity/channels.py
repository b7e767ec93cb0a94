"""Ways between two ends with data on the way: what was sent before is read after."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator

from .probe import PATIENCE_S, Probe, WrongError, expect, known_bytes

MESSAGE_BYTES = 3000


class Channel:
    """`read` and `write` are descriptors; between two checks a message is on its way."""

    def __init__(self, name: str, read: int, write: int) -> None:
        self.name = name
        self._read, self._write = read, write
        self._turn = 0
        self._send()

    def _message(self) -> bytes:
        return known_bytes(f"{self.name} {self._turn}", MESSAGE_BYTES)

    def _send(self) -> None:
        os.write(self._write, self._message())

    def check(self) -> None:
        expect(self._receive(), self._message(), "data on its way")
        self._turn += 1
        self._send()

    def _receive(self) -> bytes:
        received = b""
        while len(received) < MESSAGE_BYTES:
            if not select.select([self._read], [], [], PATIENCE_S)[0]:
                raise WrongError(f"only {len(received)} of {MESSAGE_BYTES} bytes arrived")
            piece = os.read(self._read, MESSAGE_BYTES - len(received))
            if not piece:
                raise WrongError(f"the other end is gone after {len(received)} bytes")
            received += piece
        return received


class Listener:
    """A listening socket: a new connection is made, accepted and used."""

    def __init__(self, name: str, listening: socket.socket) -> None:
        self.name = name
        self._listening = listening

    def check(self) -> None:
        with socket.socket(self._listening.family) as client:
            client.settimeout(PATIENCE_S)
            client.connect(self._listening.getsockname())
            with self._listening.accept()[0] as server:
                Channel(f"{self.name} connection", client.fileno(), server.fileno()).check()


def both_ways(name: str, one: socket.socket, other: socket.socket) -> Iterator[Probe]:
    ends = one.detach(), other.detach()
    yield Channel(name, ends[0], ends[1])
    yield Channel(f"{name} back", ends[1], ends[0])


def channels() -> Iterator[Probe]:
    yield Channel("pipe", *os.pipe())
    yield from both_ways("socketpair", *socket.socketpair())
    loopback = listen(socket.AF_INET, ("127.0.0.1", 0))
    client = socket.create_connection(loopback.getsockname())
    yield from both_ways("tcp", client, loopback.accept()[0])
    yield Listener("tcp listener", loopback)
    # A name in the abstract namespace: no file that a second program could collide with.
    yield Listener("unix listener", listen(socket.AF_UNIX, f"\0fidelity-{os.getpid()}"))


def listen(family: socket.AddressFamily, address: tuple[str, int] | str) -> socket.socket:
    listening = socket.socket(family)
    listening.settimeout(PATIENCE_S)
    listening.bind(address)
    listening.listen()
    return listening
