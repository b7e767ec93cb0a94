"""The room between a client's stdin and a process that does not take it."""

from __future__ import annotations

import asyncio

from oc.wire.messages import CHUNK, WINDOW, Credit, Input, InputEnd, Message
from oc.worker.agent.attachment import Attachment
from oc.worker.agent.stream import Stream
from oc.worker.side_by_side import side_by_side
from oc.worker.stdin import ROOM, Stdin


async def drained() -> None:
    await asyncio.sleep(0)


async def turns() -> None:
    for _ in range(200):
        await asyncio.sleep(0)


def test_a_client_is_held_only_when_the_room_is_full_and_nothing_is_reordered() -> None:
    async def work() -> None:
        posted: list[Message] = []
        stream = Stream(1, lambda _, message: posted.append(message), drained)
        stdin = Stdin(Attachment(stream, lambda _: None))
        pieces = [bytes((number,)) * CHUNK for number in range((WINDOW + ROOM) // CHUNK)]
        async with asyncio.timeout(30), side_by_side(stdin.pump()):
            for piece in pieces:
                await stdin.put(piece)  # the agent takes nothing more after WINDOW: the rest waits in the room
            await turns()
            assert len(posted) == WINDOW // CHUNK
            last = asyncio.ensure_future(stdin.put(b"last"))
            await turns()
            assert not last.done()
            stream.receive(Credit(WINDOW))
            await last
            await stdin.put(b"")
            for _ in range(2):
                await turns()
                stream.receive(Credit(WINDOW))
            await turns()
        assert posted == [*map(Input, pieces), Input(b"last"), InputEnd()]

    asyncio.run(work())


def test_what_the_agent_takes_at_once_is_on_its_way_at_once() -> None:
    async def work() -> None:
        posted: list[Message] = []
        stdin = Stdin(Attachment(Stream(1, lambda _, message: posted.append(message), drained), lambda _: None))
        await stdin.put(b"exit\n")  # no pump runs: the client may leave right after
        assert posted == [Input(b"exit\n")]

    asyncio.run(work())
