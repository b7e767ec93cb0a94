"""A small synchronous client of the agent, on top of the codec: what a test sends and expects, in order."""

from __future__ import annotations

import socket
from collections import deque
from types import TracebackType
from typing import Self, TypeVar

from oc.wire.codec import Decoder, encode
from oc.wire.messages import (
    VERSION,
    WINDOW,
    Attach,
    Attached,
    Credit,
    Data,
    Done,
    Exited,
    Failed,
    Hello,
    Message,
    Output,
    Start,
    Started,
    Welcome,
)

PATIENCE_S = 60.0  # only ever reached by a test that fails
RECEIVE = 256 << 10

M = TypeVar("M", bound=Message)


class Client:
    """One connection. Bulk bytes get credit as they are taken, unless `credit` is switched off."""

    def __init__(self, port: int, token: bytes, *, hello: bool = True, host: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection((host, port), timeout=PATIENCE_S)
        self.credit = True
        self._decoder = Decoder()
        self._arrived: deque[tuple[int, Message]] = deque()
        self._last = 0
        if hello:
            self.send(0, Hello(VERSION, token))
            assert self.take(0, Welcome) == Welcome(VERSION)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()

    def send(self, stream: int, *messages: Message) -> None:
        self.socket.sendall(b"".join(encode(stream, message) for message in messages))

    def begin(self, message: Message) -> int:
        self._last += 1
        self.send(self._last, message)
        return self._last

    def next(self, stream: int) -> Message:
        """The next message on a stream; others' wait. EOFError once the agent has closed the connection."""
        while True:
            for index, (number, message) in enumerate(self._arrived):
                if number == stream:
                    del self._arrived[index]
                    self._give_back(stream, message)
                    return message
            self._receive()

    def take(self, stream: int, kind: type[M]) -> M:
        message = self.next(stream)
        assert isinstance(message, kind), message
        return message

    def quiet(self, stream: int) -> bool:
        """Whether nothing waits on a stream, of all that has come."""
        return all(number != stream for number, _ in self._arrived)

    def closed(self) -> bool:
        """Waits until the agent closes the connection, whatever comes before."""
        try:
            while True:
                self._receive()
        except (EOFError, ConnectionError):
            return True

    def _receive(self) -> None:
        data = self.socket.recv(RECEIVE)
        if not data:
            raise EOFError
        self._arrived.extend(self._decoder.feed(data))

    def _give_back(self, stream: int, message: Message) -> None:
        if self.credit and isinstance(message, Output | Data) and message.data:
            self.send(stream, Credit(len(message.data)))

    # --- whole operations ---

    def do(self, message: Message) -> None:
        assert self.take(self.begin(message), Done) == Done()

    def ask(self, message: Message, kind: type[M]) -> list[M]:
        stream = self.begin(message)
        answers: list[M] = []
        while not isinstance(answer := self.next(stream), Done):
            assert isinstance(answer, kind), answer
            answers.append(answer)
        return answers

    def failure(self, message: Message) -> Failed:
        return self.take(self.begin(message), Failed)

    def start(self, session: str, *argv: str, **fields: object) -> int:
        (started,) = self.ask(starting(session, *argv, **fields), Started)
        return started.pid

    def attach(self, session: str, reader: str = "", offset: int = 0) -> tuple[int, Attached]:
        stream = self.begin(Attach(session, reader, offset))
        return stream, self.take(stream, Attached)

    def run(self, session: str, *argv: str, **fields: object) -> tuple[bytes, bytes, Exited]:
        """Starts a session and reads it to its end: stdout, stderr, how it ended."""
        self.start(session, *argv, **fields)
        stream, _ = self.attach(session)
        return self.read(stream)

    def read(self, stream: int) -> tuple[bytes, bytes, Exited]:
        output = {1: bytearray(), 2: bytearray()}
        while not isinstance(message := self.next(stream), Exited):
            assert isinstance(message, Output | Credit), message
            if isinstance(message, Output):
                output[message.channel] += message.data
        return bytes(output[1]), bytes(output[2]), message

    def until(self, stream: int, end: bytes) -> bytes:
        """Output, both channels, until it holds `end`; credit that comes meanwhile is passed over."""
        seen = b""
        while end not in seen:
            message = self.next(stream)
            assert isinstance(message, Output | Credit), message
            seen += message.data if isinstance(message, Output) else b""
        return seen


def starting(session: str, *argv: str, **fields: object) -> Start:
    defaults: dict[str, object] = {
        "env": (),
        "cwd": "",
        "user": "",
        "terminal": 0,
        "rows": 0,
        "cols": 0,
        "input": 0,
        "timeout_ms": 0,
        "linger_ms": 0,
    }
    return Start(session, argv, **{**defaults, **fields})  # type: ignore[arg-type]


__all__ = ["PATIENCE_S", "WINDOW", "Client", "starting"]
