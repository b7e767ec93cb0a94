"""One authenticated connection to the agent in a sandbox, with any number of operations on it at once."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterable, Callable, Iterator
from typing import TypeVar

from oc.model.errors import TooLarge, Unavailable
from oc.runtime.driver import Endpoint
from oc.wire.messages import (
    OLDEST,
    Attach,
    Configure,
    Connect,
    Done,
    Entries,
    Entry,
    Event,
    Forget,
    Happened,
    Hello,
    Limits,
    MakeDirectory,
    Message,
    Ping,
    Read,
    Remove,
    Resize,
    Session,
    Sessions,
    Signal,
    Start,
    Started,
    Statistics,
    Stats,
    Welcome,
    Write,
)
from oc.worker.agent.attachment import Attachment
from oc.worker.agent.connection import Connection
from oc.worker.agent.failure import PeerBroken
from oc.worker.agent.forward import Forward, Receiver
from oc.worker.agent.pipe import Pipe
from oc.worker.agent.stream import Stream

LIMITS_SINCE = 2  # version of the protocol
MAX_ENTRIES = 50_000  # of one directory that are listed
CLOSE_S = 2.0  # a sandbox that reads nothing would hold a close for ever
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.002, 0.05
FIRST_LIMIT_S, LONGEST_LIMIT_S = 0.25, 2.0  # a SYN that came before the sandbox had its address is never answered

EVENTS = {int(event): event for event in Event}  # others are of newer agents

M = TypeVar("M", bound=Message)
OnEvent = Callable[[Event, str], None]


class Link:
    """Every call raises AgentFailed when the agent says no, and Unavailable when the connection is or gets lost."""

    def __init__(self, endpoint: Endpoint, on_event: OnEvent | None = None) -> None:
        self.endpoint = endpoint
        self.closed = asyncio.Event()
        self.version = 0  # the agent's, once it has answered
        self._on_event = on_event
        self._connection = Connection(self._receive, self._lose)
        self._streams: dict[int, Stream | Forward] = {}
        self._last = 0
        self._reason = ""
        self._welcomed = asyncio.Event()

    @classmethod
    async def open(cls, endpoint: Endpoint, patience_s: float, on_event: OnEvent | None = None) -> Link:
        """Connects; tries again for `patience_s` seconds, every few milliseconds at first. Raises Unavailable."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience_s
        for pause, limit in _attempts():
            try:
                async with asyncio.timeout(min(limit, max(deadline - loop.time(), FIRST_LIMIT_S))):
                    return await cls(endpoint, on_event)._connect()
            except (OSError, Unavailable) as error:  # TimeoutError is an OSError
                reason = str(error) or "no answer"
            if loop.time() + pause > deadline:
                break
            await asyncio.sleep(pause)
        raise Unavailable(f"the agent at {endpoint.host}:{endpoint.port} did not answer in {patience_s:g} s: {reason}")

    async def _connect(self) -> Link:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self._connection, self.endpoint.host, self.endpoint.port)
            self._connection.post(0, Hello(OLDEST, self.endpoint.token))
            await self._welcome()
        except BaseException:
            self._connection.abort("given up")
            raise
        return self

    async def _welcome(self) -> None:
        await self._welcomed.wait()
        if self.closed.is_set():
            raise Unavailable(self._reason)

    async def close(self) -> None:
        """Closes the connection, within CLOSE_S; anonymous readers lose their places, named ones keep them a while."""
        self._connection.close("the connection was closed")
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.closed.wait()
        except TimeoutError:
            self._connection.abort("the sandbox takes nothing more")
            await self.closed.wait()

    # --- from the agent ---

    def _receive(self, number: int, message: Message) -> None:
        if number == 0 or not self._welcomed.is_set():
            self._receive_of_link(message)
        elif (stream := self._streams.get(number)) is not None:
            stream.receive(message)
            if stream.ended:
                self._drop(stream)

    def _receive_of_link(self, message: Message) -> None:
        match message:
            case Welcome(version=version) if not self._welcomed.is_set() and version >= OLDEST:
                self.version = version
                self._welcomed.set()
            case Happened(event=event, text=text) if self._welcomed.is_set():
                if self._on_event is not None and event in EVENTS:
                    self._on_event(EVENTS[event], text)
            case _:
                raise PeerBroken(f"sent {type(message).__name__} out of turn")

    def _lose(self, reason: str) -> None:
        self._reason = reason
        self.closed.set()
        self._welcomed.set()
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.lose(reason)

    # --- operations ---

    def _begin(self, message: Message) -> Stream:
        if self.closed.is_set():
            raise Unavailable(self._reason)
        self._last += 1
        stream = Stream(self._last, self._connection.post, self._connection.drained)
        stream.post(message)
        self._streams[stream.number] = stream
        return stream

    def _drop(self, stream: Stream | Forward) -> None:
        self._streams.pop(stream.number, None)

    async def _all(self, stream: Stream, kind: type[M], limit: int = 1024) -> list[M]:
        """Takes everything up to `Done`. Raises TooLarge above `limit` answers."""
        answers: list[M] = []
        try:
            while not isinstance(answer := await stream.take(), Done):
                if isinstance(answer, kind):
                    answers.append(answer)
                if len(answers) > limit:
                    raise TooLarge(f"more than {limit} answers")
        finally:
            self._drop(stream)
        return answers

    async def _one(self, message: Message, kind: type[M]) -> M:
        answers = await self._all(self._begin(message), kind)
        if not answers:
            raise Unavailable(f"the agent gave no {kind.__name__}")
        return answers[0]

    async def _do(self, message: Message) -> None:
        await self._all(self._begin(message), Done)

    async def configure(self, configure: Configure) -> None:
        await self._do(configure)
        if configure.token:
            self.endpoint = dataclasses.replace(self.endpoint, token=configure.token)

    async def limit(self, memory_mb: int) -> bool:
        """What programs may use in all. False: the agent is too old to be told, and keeps the limit that it has."""
        if self.version >= LIMITS_SINCE:
            await self._do(Limits(memory_mb << 20))
        return self.version >= LIMITS_SINCE

    async def start(self, start: Start) -> int:
        """Starts a session; returns its process id inside. Raises AgentFailed (ENOENT: no such program...)."""
        return (await self._one(start, Started)).pid

    async def launch(self, start: Start) -> Attachment:
        """Starts a session and attaches to it in one go, so that not a byte of its output is missed.

        The caller enters the attachment (`async with`), or detaches it.
        """
        starting = self._begin(start)
        attachment = self.attach(start.session)
        try:
            await self._all(starting, Started)
        except BaseException:
            attachment.detach()
            raise
        return attachment

    def attach(self, session: str, reader: str = "", offset: int = 0) -> Attachment:
        return Attachment(self._begin(Attach(session, reader, offset)), self._drop)

    async def signal(self, session: str, signal: int) -> None:
        await self._do(Signal(session, signal))

    async def resize(self, session: str, rows: int, cols: int) -> None:
        await self._do(Resize(session, rows, cols))

    async def forget(self, session: str) -> None:
        await self._do(Forget(session))

    def forget_soon(self, session: str) -> None:
        """Like `forget`, for those who do not wait: that it is unknown by then is as good."""
        if not self.closed.is_set():
            self._drop(self._begin(Forget(session)))

    async def sessions(self) -> list[Session]:
        return await self._all(self._begin(Sessions()), Session)

    def read(self, path: str) -> Pipe:
        """Reads a regular file: `async with link.read(path) as file`, then `file.size` and `async for data in file`."""
        return self._pipe(Read(path))

    async def write(self, path: str, mode: int, user: str, chunks: AsyncIterable[bytes]) -> None:
        """Writes a file, parents included, as fast as the sandbox takes it. What `chunks` raises cancels the rest."""
        async with self._pipe(Write(path, mode, user)) as file:
            async for chunk in chunks:
                await file.send(chunk)
                if file.ended:
                    break
            file.end()
            await file.finish()

    def connect(self, port: int) -> Pipe:
        """Opens TCP to a port on 127.0.0.1 inside."""
        return self._pipe(Connect(port))

    def forward(self, port: int, receiver: Receiver) -> Forward:
        """As `connect`, for many connections at once: `receiver` is called. Raises Unavailable."""
        if self.closed.is_set():
            raise Unavailable(self._reason)
        self._last += 1
        forward = self._streams[self._last] = Forward(self._last, self._connection, receiver)
        forward.connect(port)
        return forward

    def _pipe(self, message: Message) -> Pipe:
        return Pipe(self._begin(message), self._drop)

    async def entries(self, path: str) -> list[Entry]:
        """Lists a directory, in the file system's order. Raises TooLarge above MAX_ENTRIES."""
        return await self._all(self._begin(Entries(path)), Entry, MAX_ENTRIES)

    async def make_directory(self, path: str, user: str = "") -> None:
        await self._do(MakeDirectory(path, user))

    async def remove(self, path: str) -> None:
        await self._do(Remove(path))

    async def statistics(self) -> Stats:
        return await self._one(Statistics(), Stats)

    async def ping(self) -> None:
        await self._do(Ping())


def _attempts() -> Iterator[tuple[float, float]]:
    """How long to wait after each attempt, and for it, in seconds."""
    pause, limit = FIRST_PAUSE_S, FIRST_LIMIT_S
    while True:
        yield pause, limit
        pause, limit = min(pause * 1.3, LONGEST_PAUSE_S), min(limit * 1.5, LONGEST_LIMIT_S)
