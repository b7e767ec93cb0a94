"""Garbage for the agent: for its parser alone, and for all of it, with operations in no sensible order."""

from __future__ import annotations

import random
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from oc.settings import AGENT
from oc.wire.codec import encode
from oc.wire.messages import (
    VERSION,
    Attach,
    Cancel,
    Configure,
    Connect,
    Credit,
    Data,
    Detach,
    End,
    Entries,
    Forget,
    Hello,
    Input,
    InputEnd,
    Limits,
    MakeDirectory,
    Message,
    Ping,
    Read,
    Remove,
    Resize,
    Sessions,
    Signal,
    Start,
    Statistics,
    Write,
)
from tests.integration.agent.client import PATIENCE_S, starting
from tests.integration.agent.process import Agent, build, running

SECONDS = 4
STEPS = 1000
GREETED, WHOLE = 1, 255  # first byte of an input: after a good greeting, in pieces of this size (fuzz/target.c)

SEEDS: list[Message] = [
    Configure(1, b"entropy", "host", bytes(32), ("A=b", "C=é")),
    Start("0a1b2c3d", ("sh", "-c", "true"), ("X=1",), "/", "root", 1, 24, 80, 1, 5, 6),
    Attach("0a1b2c3d", "reader", 4),
    Input(b"text"),
    Data(b"data" * 50),
    Credit(9),
    Write("/x", 0o644, ""),
    Signal("0a1b2c3d", 9),
    Connect(80),
    InputEnd(),
    End(),
    Detach(),
    Cancel(),
    Limits(1 << 28),
]


def test_parser_and_dispatcher_survive_garbage(tmp_path: Path) -> None:
    build("fuzz")
    for number, seed in enumerate(SEEDS):
        raw = encode(1, Attach("0a1b2c3d", "", 0)) + encode(1, seed) + encode(2, seed)
        (tmp_path / f"{number}-whole").write_bytes(bytes([WHOLE]) + raw)
        (tmp_path / f"{number}-pieces").write_bytes(bytes([GREETED | 6]) + raw)
        (tmp_path / f"{number}-stranger").write_bytes(bytes([6]) + raw)
    done = subprocess.run(
        [AGENT.parent / "fuzz" / "oc-agent-fuzz", f"-max_total_time={SECONDS}", tmp_path],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


class Rambler:
    """Says things that the agent may or may not want to hear, on a few connections, and listens now and then."""

    def __init__(self, agent: Agent, seed: int, place: Path) -> None:
        self.random = random.Random(seed)
        self.agent = agent
        self.place = place
        self.streams = 0
        self.connection = self.connect()
        self.words: list[Callable[[], Message]] = [
            self.start,
            self.start,
            lambda: Attach(self.session(), self.random.choice(["", "r1", "r2"]), self.random.choice([0, 7, 1 << 40])),
            lambda: Forget(self.session()),
            lambda: Signal(self.session(), self.random.choice([0, 1, 9, 18, 19, 28, 99])),
            lambda: Resize(self.session(), 5, self.random.randrange(300)),
            Sessions,
            Statistics,
            Ping,
            lambda: Limits(self.random.choice([0, 1 << 28, (1 << 64) - 1])),
            lambda: Configure(0, b"e", "host", b"", ("A=1",)),
            lambda: Connect(self.random.choice([agent.port, 1])),
            lambda: Read(self.random.choice([str(place / "file"), "/proc/self/status", str(place), "/dev/zero"])),
            lambda: Write(str(place / self.random.choice(["file", "a/b/file"])), 0o644, ""),
            lambda: Entries(self.random.choice([str(place), "/proc/self"])),
            lambda: MakeDirectory(str(place / self.random.choice(["a/b/c", "file/x"])), ""),
            lambda: Remove(str(place / self.random.choice(["a", "missing", "file"]))),
        ]

    def connect(self) -> socket.socket:
        self.streams = 0
        connection = socket.create_connection(("127.0.0.1", self.agent.port), timeout=PATIENCE_S)
        connection.sendall(encode(0, Hello(VERSION, self.agent.token)))
        return connection

    def session(self) -> str:
        return f"s{self.random.randrange(6)}"

    def start(self) -> Message:
        argv = self.random.choice(
            [
                ("cat",),
                ("true",),
                ("seq", "200000"),
                ("sh", "-c", "sleep 0.01 & exit 3"),
                ("sleep", "1000"),
                ("nothing",),
            ]
        )
        flags = {name: self.random.randrange(2) for name in ("terminal", "input")}
        limits = {name: self.random.choice([0, 1, 30]) for name in ("timeout_ms", "linger_ms")}
        return starting(self.session(), *argv, **flags, **limits)

    def follow_up(self) -> bytes:
        message = self.random.choice(
            [Detach(), Cancel(), InputEnd(), End(), Credit(100), Credit(65536), Input(b"x" * 3000), Data(b"y" * 5000)]
        )
        return encode(self.random.randrange(1, self.streams + 2), message)

    def step(self) -> None:
        if self.random.random() < 0.02:
            self.connection.close()
            self.connection = self.connect()
        try:
            self.say()
            self.listen()
        except ConnectionError:  # it broke a rule
            self.connection.close()
            self.connection = self.connect()

    def say(self) -> None:
        if self.random.random() < 0.4:
            self.connection.sendall(self.follow_up())
            return
        self.streams += 1
        self.connection.sendall(encode(self.streams, self.random.choice(self.words)()))

    def listen(self) -> None:
        if self.random.random() < 0.5:
            self.connection.settimeout(0)
            with suppress(BlockingIOError):  # nothing has come
                self.connection.recv(1 << 20)
            self.connection.settimeout(PATIENCE_S)


@pytest.mark.parametrize("seed", [1, 2])
def test_agent_survives_any_order_of_operations(seed: int, tmp_path: Path) -> None:
    """Its sanitizers end it at the first wrong access; `running` asserts that it ends well."""
    build("sanitized")
    with running(AGENT.parent / "sanitized" / AGENT.name) as agent:
        ramblers = [Rambler(agent, 10 * seed + number, tmp_path) for number in range(3)]
        for _ in range(STEPS):
            for rambler in ramblers:
                rambler.step()
        for rambler in ramblers:
            rambler.connection.close()
        with agent.client() as client:
            client.do(Ping())
