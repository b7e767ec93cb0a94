"""Ports inside: both directions, each with its own end."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from oc.wire.messages import CHUNK, WINDOW, Cancel, Connect, Credit, Data, Done, End, Opened, Ping
from tests.integration.agent.client import PATIENCE_S, Client

Ends = tuple[int, socket.socket]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        yield listener


@pytest.fixture
def ends(client: Client, listener: socket.socket) -> Iterator[Ends]:
    stream = client.begin(Connect(listener.getsockname()[1]))
    client.take(stream, Opened)
    server, _ = listener.accept()
    with server:
        server.settimeout(PATIENCE_S)
        yield stream, server


def receive(server: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := server.recv(size - len(data))):
        data += piece
    return data


def test_both_ways_and_both_ends(client: Client, ends: Ends) -> None:
    stream, server = ends
    client.send(stream, Data(b"question"), End())
    assert receive(server, 100) == b"question"  # to the end
    assert client.take(stream, Credit) == Credit(8)
    server.sendall(b"answer")
    assert client.take(stream, Data).data == b"answer"
    server.close()
    assert client.take(stream, End) == End()
    assert client.take(stream, Done) == Done()


def test_the_server_may_end_first(client: Client, ends: Ends) -> None:
    stream, server = ends
    server.sendall(b"greeting")
    server.shutdown(socket.SHUT_WR)
    assert client.take(stream, Data).data == b"greeting"
    assert client.take(stream, End) == End()
    client.send(stream, Data(b"late"), End())
    assert receive(server, 100) == b"late"
    assert client.take(stream, Credit) == Credit(4)
    assert client.take(stream, Done) == Done()


def test_much_data_to_a_slow_server(client: Client, ends: Ends) -> None:
    """Credit only comes as the server takes bytes, and what it takes is what was sent."""
    stream, server = ends
    data = os.urandom(4 * WINDOW)
    owed = taken = 0
    got = b""
    for start in range(0, len(data), CHUNK):
        while owed + CHUNK > WINDOW:
            if client.quiet(stream):
                got += server.recv(CHUNK)
                client.do(Ping())
            else:
                count = client.take(stream, Credit).count
                owed -= count
                taken += count
        client.send(stream, Data(data[start : start + CHUNK]))
        owed += CHUNK
    client.send(stream, End())
    assert got + receive(server, len(data)) == data


def test_much_data_to_a_slow_client(client: Client, ends: Ends) -> None:
    stream, server = ends
    client.credit = False
    server.settimeout(0)
    sent = 0
    seen = b""
    while len(seen) < WINDOW:
        with suppress(BlockingIOError):  # its buffers are full: what is in them comes first
            sent += server.send(b"x" * CHUNK)
        if sent > len(seen):
            seen += client.take(stream, Data).data
    client.do(Ping())
    assert client.quiet(stream)
    assert len(seen) == WINDOW


def test_nobody_listens(client: Client, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    failed = client.failure(Connect(port))
    assert failed.errno == errno.ECONNREFUSED
    assert str(port) in failed.text


def test_cancel_closes(client: Client, ends: Ends) -> None:
    stream, server = ends
    client.send(stream, Cancel())
    assert client.take(stream, Done) == Done()
    assert server.recv(1) == b""
