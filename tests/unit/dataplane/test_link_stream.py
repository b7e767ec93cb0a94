"""One operation's credit and bounds, with the agent's part played by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from oc.model.errors import Unavailable
from oc.wire.messages import CHUNK, RING, WINDOW, Channel, Credit, Data, Done, Failed, Input, Message, Output
from oc.worker.agent.failure import AgentFailed, PeerBroken
from oc.worker.agent.stream import MAX_WAITING, Chunk, Stream


async def drained() -> None:
    await asyncio.sleep(0)


def run(work: Callable[[Stream, list[Message]], Awaitable[None]]) -> None:
    async def whole() -> None:
        posted: list[Message] = []
        async with asyncio.timeout(30):
            await work(Stream(1, lambda _, message: posted.append(message), drained), posted)

    asyncio.run(whole())


async def turns() -> None:
    """More turns of the event loop than a sender needs to use up its window."""
    for _ in range(10 * WINDOW // CHUNK):
        await asyncio.sleep(0)


async def take_all(stream: Stream) -> None:
    while True:
        await stream.take()


def fill(stream: Stream, count: int) -> None:
    for index in range(count):
        stream.receive(Output(Channel.STDOUT, index * CHUNK, bytes(CHUNK)))


def test_credit_is_given_only_for_what_was_taken() -> None:
    async def work(stream: Stream, posted: list[Message]) -> None:
        fill(stream, WINDOW // CHUNK)
        assert posted == []
        for _ in range(WINDOW // CHUNK):
            await stream.take()
        assert sum(message.count for message in posted if isinstance(message, Credit)) == WINDOW

    run(work)


def test_an_agent_that_sends_more_than_its_credit_is_cut_off() -> None:
    async def work(stream: Stream, _posted: list[Message]) -> None:
        fill(stream, WINDOW // CHUNK)
        with pytest.raises(PeerBroken):
            stream.receive(Output(Channel.STDOUT, WINDOW, b"x"))

    run(work)


def test_an_agent_that_gives_credit_for_nothing_is_cut_off() -> None:
    async def work(stream: Stream, _posted: list[Message]) -> None:
        with pytest.raises(PeerBroken):
            stream.receive(Credit(1))

    run(work)


def test_small_pieces_are_joined_while_they_wait() -> None:
    async def work(stream: Stream, _posted: list[Message]) -> None:
        for offset in range(1000):
            stream.receive(Output(Channel.STDERR, offset, b"x"))
        assert await stream.take() == Chunk(Channel.STDERR, 0, bytearray(b"x" * 1000))

    run(work)


def test_pieces_that_cannot_be_joined_end_their_stream_before_they_fill_the_memory() -> None:
    async def work(stream: Stream, __: list[Message]) -> None:
        for offset in range(MAX_WAITING + 1):
            stream.receive(Output(1 + offset % 2, offset, b"x"))
        assert stream.ended
        with pytest.raises(Unavailable, match="small pieces"):
            await take_all(stream)

    run(work)


def test_a_sender_waits_for_credit() -> None:
    async def work(stream: Stream, posted: list[Message]) -> None:
        sending = asyncio.ensure_future(stream.send(bytes(RING), Input))
        await turns()
        assert len(posted) == WINDOW // CHUNK
        assert not sending.done()
        stream.receive(Credit(WINDOW))
        await sending
        assert len(posted) == RING // CHUNK

    run(work)


def test_a_sender_stops_when_the_operation_has_ended() -> None:
    async def work(stream: Stream, posted: list[Message]) -> None:
        sending = asyncio.ensure_future(stream.send(bytes(RING), Data))
        await turns()
        stream.receive(Failed(28, "disk full"))
        await sending
        with pytest.raises(AgentFailed, match="disk full"):
            await stream.take()

    run(work)


def test_after_a_loss_what_came_before_can_still_be_taken() -> None:
    async def work(stream: Stream, _posted: list[Message]) -> None:
        stream.receive(Data(b"last words"))
        stream.lose("the sandbox closed the connection")
        assert await stream.take() == Chunk(0, 0, b"last words")
        for _ in range(2):
            with pytest.raises(Unavailable, match="closed the connection"):
                await stream.take()

    run(work)


def test_an_answer_out_of_place_is_unavailable_not_a_crash() -> None:
    async def work(stream: Stream, _posted: list[Message]) -> None:
        stream.receive(Done())
        with pytest.raises(Unavailable, match="answered Done where Failed was due"):
            await stream.expect(Failed)

    run(work)
