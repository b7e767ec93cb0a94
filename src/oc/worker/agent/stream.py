"""One operation on a link: answers that wait to be taken, and the credit of both directions.

Memory is bounded whatever the agent sends: bulk bytes by `WINDOW`, everything else by `MAX_WAITING` items.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from oc.model.errors import Unavailable
from oc.wire.messages import CHUNK, WINDOW, Channel, Credit, Data, Done, Exited, Failed, Input, Message, Output
from oc.worker.agent.failure import AgentFailed, PeerBroken

MAX_WAITING = 64 << 10  # items; about 10 MB of small objects
CREDIT_STEP = WINDOW // 4  # credit goes back in lumps: fewer frames, and three quarters of the window stay usable

M = TypeVar("M", bound=Message)
Post = Callable[[int, Message], None]


@dataclass(slots=True)
class Chunk:
    """Bulk bytes that wait. `channel` and `offset` are those of `Output`, 0 for `Data`."""

    channel: int
    offset: int
    data: bytes | bytearray

    def follows(self, before: Chunk) -> bool:
        return self.channel == before.channel and self.offset in (0, before.offset + len(before.data))

    def join(self, after: Chunk) -> None:
        if isinstance(self.data, bytes):
            self.data = bytearray(self.data)
        self.data += after.data


class Stream:
    """The worker's end of one operation. `ended` once the agent has said its last word or can say no more."""

    def __init__(self, number: int, post: Post, drained: Callable[[], Awaitable[None]]) -> None:
        self.number = number
        self.ended = False
        self.settles_itself = True  # False: the caller says when taken bytes may be credited
        self.accepted = 0  # bytes sent that the agent has given credit for
        self._post = post
        self._drained = drained
        self._waiting: deque[Chunk | Message] = deque()
        self._held = 0  # bytes that wait
        self._owed = 0  # bytes taken that no credit was given for yet
        self._sent = 0
        self._lost: str | None = None
        self._arrived = asyncio.Event()
        self._credited = asyncio.Event()

    def post(self, message: Message) -> None:
        """Sends what is not bulk; nothing once the connection is lost."""
        self._post(self.number, message)

    # --- from the agent ---

    def receive(self, message: Message) -> None:
        """Raises PeerBroken."""
        match message:
            case Output(channel=Channel.STDOUT | Channel.STDERR as channel, offset=offset, data=data):
                self._hold(Chunk(channel, offset, data))
            case Output():
                raise PeerBroken(f"sent output of an unknown channel on stream {self.number}")
            case Data(data=data):
                self._hold(Chunk(0, 0, data))
            case Credit(count=count):
                self._accept(count)
            case _:
                self._wait(message)
                self.ended = self.ended or isinstance(message, Done | Failed | Exited)
        self._arrived.set()
        if self.ended:
            self._credited.set()

    def lose(self, reason: str) -> None:
        """The connection is gone: what waits can still be taken, then takers are told."""
        self._lost = reason
        self.ended = True
        self._arrived.set()
        self._credited.set()

    def _hold(self, chunk: Chunk) -> None:
        size = len(chunk.data)
        self._held += size
        if size > CHUNK or self._held + self._owed > WINDOW:
            raise PeerBroken(f"sent more than its credit on stream {self.number}")
        last = self._waiting[-1] if self._waiting else None
        if isinstance(last, Chunk) and len(last.data) + size <= CHUNK and chunk.follows(last):
            last.join(chunk)
        else:
            self._wait(chunk)

    def _accept(self, count: int) -> None:
        self.accepted += count
        if self.accepted > self._sent:
            raise PeerBroken(f"gave credit for more than was sent on stream {self.number}")
        self._credited.set()

    def _wait(self, item: Chunk | Message) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self.lose("the sandbox sent too many small pieces faster than they were read")
        else:
            self._waiting.append(item)

    # --- for callers ---

    async def take(self) -> Chunk | Message:
        """The next answer, in order. Raises AgentFailed, and Unavailable when the connection is lost."""
        while not self._waiting:
            if self._lost is not None:
                raise Unavailable(self._lost)
            self._arrived.clear()
            await self._arrived.wait()
        item = self._waiting.popleft()
        if isinstance(item, Failed):
            raise AgentFailed(item.errno, item.text)
        if isinstance(item, Chunk):
            self._held -= len(item.data)
            self._owed += len(item.data)
            if self.settles_itself and self._owed >= CREDIT_STEP:
                self.settle(self._owed)
        return item

    def settle(self, count: int) -> None:
        """Credits `count` of the bytes that were taken."""
        count = min(count, self._owed)
        self._owed -= count
        if count and not self.ended:
            self.post(Credit(count))

    async def expect(self, kind: type[M]) -> M:
        """The next answer, which the protocol says is a `kind`. Raises AgentFailed and Unavailable."""
        answer = await self.take()
        if not isinstance(answer, kind):
            raise Unavailable(f"the agent answered {type(answer).__name__} where {kind.__name__} was due")
        return answer

    def has_room(self, size: int) -> bool:
        """The agent's credit covers `size` bytes more."""
        return self._sent - self.accepted + size <= WINDOW

    async def send(self, data: bytes, kind: type[Input] | type[Data]) -> None:
        """Returns when all is on its way, or the operation has ended and wants no more. Raises Unavailable."""
        for start in range(0, len(data), CHUNK):
            piece = data[start : start + CHUNK]
            while not self.ended and not self.has_room(len(piece)):
                await self.credit()
            if self.ended:
                break
            self._sent += len(piece)
            self.post(kind(piece))
            await self._drained()
        if self._lost is not None:
            raise Unavailable(self._lost)

    async def credit(self) -> None:
        """Waits for the agent to accept more of what was sent, or for the end."""
        self._credited.clear()
        if not self.ended:
            await self._credited.wait()
