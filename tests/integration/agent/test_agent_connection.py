"""Who may speak to the agent, and what a broken rule costs: the connection, never the agent."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest

from oc.wire.codec import encode
from oc.wire.messages import (
    CHUNK,
    OLDEST,
    VERSION,
    WINDOW,
    Attach,
    Configure,
    Connect,
    Credit,
    Data,
    Detach,
    Done,
    Failed,
    Hello,
    Input,
    Ping,
    Sessions,
    Statistics,
    Stats,
    Welcome,
)
from tests.integration.agent.client import Client
from tests.integration.agent.process import Agent

STRANGERS = 40

Bytes = Callable[[bytes], bytes]

FIRST_WORDS: dict[str, Bytes] = {
    "wrong token": lambda token: encode(0, Hello(VERSION, bytes(32))),
    "short token": lambda token: encode(0, Hello(VERSION, token[:-1])),
    "other version": lambda token: encode(0, Hello(VERSION + 1, token)),
    "no version": lambda token: encode(0, Hello(OLDEST - 1, token)),
    "on a stream": lambda token: encode(1, Hello(VERSION, token)),
    "no greeting": lambda token: encode(1, Ping()),
    "a long frame": lambda token: b"\0\0\1\0",
    "text": lambda token: b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("words", FIRST_WORDS.values(), ids=FIRST_WORDS.keys())
def test_who_does_not_greet_rightly_is_out(agent: Agent, words: Bytes) -> None:
    with Client(agent.port, agent.token, hello=False) as client:
        client.socket.sendall(words(agent.token))
        assert client.closed()
        assert client.quiet(0)
    with agent.client() as other:
        other.do(Ping())


def test_a_worker_that_can_do_with_less_is_told_what_there_is(agent: Agent) -> None:
    with Client(agent.port, agent.token, hello=False) as client:
        client.send(0, Hello(OLDEST, agent.token))
        assert client.take(0, Welcome) == Welcome(VERSION)
        client.do(Ping())


BROKEN: dict[str, bytes] = {
    "unknown kind": b"\0\0\0\5\x63\0\0\0\1",
    "an answer": encode(1, Welcome(VERSION)),
    "a second greeting": encode(0, Hello(VERSION, bytes(32))),
    "too large": b"\0\x10\0\1",
    "too small": b"\0\0\0\4",
    "an operation on stream 0": encode(0, Ping()),
    "a stream again": encode(1, Ping()) + encode(1, Ping()),
    "a stream that was never opened": encode(1, Detach()),
    "what the stream does not take": encode(1, Attach("live", "", 0)) + encode(1, Data(b"x")),
    "too much credit": encode(1, Attach("live", "", 0)) + encode(1, Credit(1)),
    "more than the window": encode(1, Attach("live", "", 0)) + encode(1, Input(bytes(CHUNK))) * (WINDOW // CHUNK + 3),
    "text that is not UTF-8": b"\0\0\0\x0b\x13\0\0\0\1\0\0\0\2\xc3\x28",
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_rule_closes_the_connection_and_nothing_else(agent: Agent, client: Client, raw: bytes) -> None:
    client.start("live", "sleep", "100000", input=1)
    with agent.client() as other:
        other.socket.sendall(raw)
        assert other.closed()
    client.do(Ping())


def test_frames_for_ended_streams_are_ignored(client: Client) -> None:
    stream = client.begin(Ping())
    client.take(stream, Done)
    client.send(stream, Detach(), Credit(5), Input(b"x"))
    client.do(Ping())
    assert client.quiet(stream)


def test_strangers_do_not_keep_the_worker_out(agent: Agent) -> None:
    strangers = [Client(agent.port, agent.token, hello=False) for _ in range(STRANGERS)]
    with agent.client() as client:
        client.do(Ping())
    for stranger in strangers:
        stranger.socket.close()


def test_a_new_token_is_for_new_connections(agent: Agent, client: Client) -> None:
    fresh = secrets.token_bytes(32)
    client.do(Configure(0, b"entropy", "host", fresh, ()))
    client.do(Ping())
    with Client(agent.port, fresh) as other:
        other.do(Ping())
    with Client(agent.port, agent.token, hello=False) as old:
        old.send(0, Hello(VERSION, agent.token))
        assert old.closed()


def test_a_client_that_reads_nothing_holds_up_nobody(agent: Agent, client: Client) -> None:
    for number in range(20):
        client.run(f"s{number}", "true", "x" * 4000)
    with agent.client() as deaf:
        deaf.socket.settimeout(0)
        ask = b"".join(encode(stream, Sessions()) for stream in range(1, 500))
        deaf.socket.send(ask)
        for _ in range(50):
            client.do(Ping())


def test_too_many_operations_at_once_fail(client: Client) -> None:
    client.start("a", "sleep", "100000")
    streams = [client.begin(Attach("a", "", 0)) for _ in range(70)]
    assert isinstance([client.next(stream) for stream in streams][-1], Failed)
    client.do(Ping())


def test_statistics(client: Client) -> None:
    (stats,) = client.ask(Statistics(), Stats)
    assert 0 < stats.memory_used < stats.memory_total
    assert stats.processes > 1
    assert stats.memory_kills == 0
    assert client.failure(Connect(1)).text.startswith("port 1: ")
