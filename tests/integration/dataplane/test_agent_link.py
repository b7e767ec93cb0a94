"""A link and what can become of it: agents that are late, wrong, hostile or gone (played by hand over real TCP)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from oc.model.errors import Unavailable
from oc.runtime.driver import Endpoint
from oc.wire.codec import Decoder, encode
from oc.wire.messages import (
    OLDEST,
    VERSION,
    WINDOW,
    Attach,
    Attached,
    Cancel,
    Channel,
    Data,
    Done,
    Event,
    Happened,
    Hello,
    Message,
    Opened,
    Output,
    Ping,
    Read,
    Welcome,
)
from oc.worker.agent.link import Link

TOKEN = b"t" * 32
Play = Callable[["Peer"], Awaitable[None]]


class Peer:
    """The agent's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder()
        self._read: list[tuple[int, Message]] = []

    async def next(self) -> tuple[int, Message]:
        while not self._read:
            data = await self._reader.read(65536)
            if not data:
                raise EOFError
            self._read += self._decoder.feed(data)
        return self._read.pop(0)

    async def say(self, stream: int, *messages: Message) -> None:
        self._writer.write(b"".join(encode(stream, message) for message in messages))
        await self._writer.drain()

    async def say_raw(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def welcome(self, version: int = VERSION) -> None:
        assert await self.next() == (0, Hello(OLDEST, TOKEN))
        await self.say(0, Welcome(version))

    async def gone(self) -> None:
        """Reads until the worker has closed."""
        with suppress(EOFError, ConnectionError):
            while True:
                await self.next()


@asynccontextmanager
async def agent_that(play: Play) -> AsyncIterator[Endpoint]:
    """Listens; every connection is played by `play` and then closed. What `play` raises fails the test."""
    plays: list[asyncio.Future[None]] = []

    async def played(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await play(Peer(reader, writer))
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plays.append(asyncio.ensure_future(played(reader, writer)))

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield Endpoint(host, port, TOKEN)
        await asyncio.gather(*plays)


def bound() -> socket.socket:
    place = socket.socket()
    place.bind(("127.0.0.1", 0))
    return place


def endpoint_of(place: socket.socket) -> Endpoint:
    host, port = place.getsockname()
    return Endpoint(host, port, TOKEN)


def run(play: Play, work: Callable[[Endpoint], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(60), agent_that(play) as endpoint:
            await work(endpoint)

    asyncio.run(whole())


def test_an_agent_that_is_late_is_waited_for() -> None:
    async def whole() -> None:
        place = bound()  # connections are refused until it listens
        opening = asyncio.ensure_future(Link.open(endpoint_of(place), 60))
        await asyncio.sleep(0.05)  # some attempts; none is needed for the test to hold
        assert not opening.done()

        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = Peer(reader, writer)
            await peer.welcome()
            await peer.gone()
            writer.close()

        async with await asyncio.start_server(play, sock=place):
            link = await opening
            await link.close()
            assert link.closed.is_set()

    asyncio.run(whole())


def test_an_agent_that_never_comes_is_unavailable_with_the_reason() -> None:
    async def whole() -> None:
        with bound() as place, pytest.raises(Unavailable, match=r"did not answer in 0\.05 s: ..."):
            await Link.open(endpoint_of(place), 0.05)

    asyncio.run(whole())


def test_an_agent_that_refuses_the_token_is_unavailable() -> None:
    async def play(peer: Peer) -> None:
        with suppress(EOFError):  # the worker may give up first
            await peer.next()

    async def work(endpoint: Endpoint) -> None:
        with pytest.raises(Unavailable, match=r"closed the connection|no answer"):
            await Link.open(endpoint, 0.05)

    run(play, work)


def test_what_is_asked_when_the_connection_is_lost_fails() -> None:
    async def play(peer: Peer) -> None:
        await peer.welcome()
        assert await peer.next() == (1, Ping())

    async def work(endpoint: Endpoint) -> None:
        link = await Link.open(endpoint, 60)
        with pytest.raises(Unavailable, match="closed the connection"):
            await link.ping()
        await link.closed.wait()
        with pytest.raises(Unavailable):
            await link.ping()

    run(play, work)


def test_an_agent_of_an_old_checkpoint_is_not_told_what_it_does_not_know() -> None:
    async def play(peer: Peer) -> None:
        await peer.welcome(OLDEST)
        assert await peer.next() == (1, Ping())
        await peer.say(1, Done())
        await peer.gone()

    async def work(endpoint: Endpoint) -> None:
        link = await Link.open(endpoint, 60)
        assert not await link.limit(256)
        await link.ping()
        await link.close()

    run(play, work)


async def read_all(link: Link) -> None:
    async with link.attach("0" * 8) as attachment:
        await link.closed.wait()  # takes nothing, so that no credit is given
        async for _ in attachment:
            pass


HOSTILE: dict[str, list[tuple[int, Message]] | bytes] = {
    "garbage": b"\xff" * 64,
    "more than its credit": [(1, Output(Channel.STDOUT, at, bytes(65536))) for at in range(0, WINDOW + 1, 65536)],
    "a second welcome": [(0, Welcome(VERSION))],
    "an answer on stream 0": [(0, Done())],
}


@pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE.keys())
def test_an_agent_that_breaks_the_protocol_is_cut_off(said: Any) -> None:
    async def play(peer: Peer) -> None:
        await peer.welcome()
        assert await peer.next() == (1, Attach("0" * 8, "", 0))
        await peer.say(1, Attached(0, 0, 0))
        try:
            if isinstance(said, bytes):
                await peer.say_raw(said)
            for stream, message in said if isinstance(said, list) else ():
                await peer.say(stream, message)
        except ConnectionError:
            return  # cut off even before all was said
        await peer.gone()

    async def work(endpoint: Endpoint) -> None:
        link = await Link.open(endpoint, 60)
        with pytest.raises(Unavailable, match="broke its protocol"):
            await read_all(link)
        await link.closed.wait()

    run(play, work)


def test_answers_to_nobody_are_ignored_and_events_are_passed_on() -> None:
    async def play(peer: Peer) -> None:
        await peer.welcome()
        await peer.next()
        await peer.say(77, Done(), Data(b"x"))
        await peer.say(0, Happened(Event.MEMORY_KILL, "12 python"), Happened(99, "of a newer agent"))
        await peer.say(1, Done())
        await peer.gone()

    async def work(endpoint: Endpoint) -> None:
        events: list[tuple[Event, str]] = []
        link = await Link.open(endpoint, 60, lambda event, text: events.append((event, text)))
        await link.ping()
        assert events == [(Event.MEMORY_KILL, "12 python")]
        await link.close()

    run(play, work)


def test_a_read_that_is_given_up_is_cancelled() -> None:
    async def play(peer: Peer) -> None:
        await peer.welcome()
        assert await peer.next() == (1, Read("/f"))
        await peer.say(1, Opened(10), Data(b"abc"))
        assert await peer.next() == (1, Cancel())
        await peer.say(1, Done())
        await peer.gone()

    async def work(endpoint: Endpoint) -> None:
        link = await Link.open(endpoint, 60)
        async with link.read("/f") as file:
            assert file.size == 10
            assert await anext(file) == b"abc"
        await link.close()

    run(play, work)
