"""A session's WebSocket (contract 3.1): all that it has written so far, what it writes from now on, its stdin, its end.

Our own command line asks for more with the header `X-OC-Attach: 1`, and our pages, whose WebSockets have no headers of
their own, with `?attach=1`; published clients send neither:
`?reader=HEX&offset=N` names a place that outlives the connection; an empty `00` frame closes stdin; `05` (u64 offset of
the next output byte, u64 bytes of stdin taken) begins the stream; `06` (u64 bytes of stdin taken) follows as stdin is
accepted; a close with code 1000 gives the place up, any other loss keeps it for READER_GRACE_S. With `&acks=1` the
client also sends `07` (u64 offset up to which it has got the output), at least every 128 KiB: the place moves only by
these, so that a reader who comes back finds everything that was lost on the way.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from errno import ESRCH

from starlette.datastructures import QueryParams
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketDisconnected

from oc.model.errors import BadRequest, Unavailable
from oc.model.ids import READER, SESSION
from oc.wire.messages import Exited, Output
from oc.worker.agent.attachment import Attachment
from oc.worker.agent.failure import AgentFailed
from oc.worker.exec_output import exit_code
from oc.worker.exec_sessions import unknown
from oc.worker.first_readers import FirstReaders
from oc.worker.links import Links
from oc.worker.refusals import SESSIONS, refusals
from oc.worker.side_by_side import first_of, side_by_side
from oc.worker.stdin import Stdin

STDIN, GOT = b"\x00", b"\x07"
EXIT, REPLAYED = struct.Struct("!Bi"), b"\x04"
EXIT_FRAME, PLACE_FRAME, TAKEN_FRAME = 3, 5, 6
PLACE, COUNT = struct.Struct("!BQQ"), struct.Struct("!BQ")
KEEPALIVE_S = 30
LONGEST_OFFSET = 1 << 63
NORMAL, TRY_AGAIN = 1000, 1011
REASON_BYTES = 123  # RFC 6455, 5.5: a control frame has at most 125 bytes, two of them the code


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader wants to begin. Without a name its place is lost with its connection."""

    extended: bool = False
    reader: str = ""
    offset: int = 0
    acks: bool = False


def asks_for_more(websocket: WebSocket) -> bool:
    return websocket.headers.get("x-oc-attach") == "1" or websocket.query_params.get("attach") == "1"


def place_of(query: QueryParams) -> Place:
    """Raises BadRequest."""
    reader, offset = query.get("reader", ""), query.get("offset", "0")
    if reader and not READER.fullmatch(reader):
        raise BadRequest("reader must be 1 to 32 hexadecimal digits in lower case")
    if not (offset.isascii() and offset.isdecimal() and len(offset) < 20 and int(offset) < LONGEST_OFFSET):
        raise BadRequest(f"offset must be a number of bytes, from 0 up to {LONGEST_OFFSET - 1}")
    return Place(True, reader, int(offset), query.get("acks") == "1")


class Replay:
    """Turns output into messages of at most CHUNK bytes and a tag; `04` goes out exactly once, where history ends."""

    def __init__(self, end: int) -> None:
        self._end = end
        self._pending = True

    def reach(self, offset: int) -> Iterator[bytes]:
        """All before `offset` has been sent."""
        if self._pending and offset >= self._end:
            self._pending = False
            yield REPLAYED

    def messages(self, output: Output) -> Iterator[bytes]:
        tag = bytes((output.channel,))
        after = output.offset + len(output.data)
        history = self._end - output.offset if self._pending and output.offset < self._end < after else 0
        if history:
            yield tag + output.data[:history]
        yield from self.reach(output.offset + history)
        yield tag + output.data[history:] if history else tag + output.data
        yield from self.reach(after)

    def finish(self) -> Iterator[bytes]:
        yield from self.reach(self._end)


class Client:
    """One that is attached. `serve` ends when the process or the client does."""

    farewell = "exec completed"

    def __init__(self, websocket: WebSocket, attachment: Attachment, place: Place) -> None:
        self._websocket = websocket
        self._attachment = attachment
        self._place = place
        self._stdin = Stdin(attachment)
        self._replay = Replay(attachment.attached.replay_end)

    async def serve(self) -> None:
        with suppress(WebSocketDisconnect, WebSocketDisconnected):  # nobody is left to be told
            try:
                completed = await self._pump()
            except (Unavailable, AgentFailed) as error:
                forgotten = isinstance(error, AgentFailed) and error.errno == ESRCH
                reason = error.text.encode()[:REASON_BYTES].decode(errors="ignore")
                await self._websocket.close(NORMAL if forgotten else TRY_AGAIN, reason)
            else:
                if completed:
                    await self._websocket.close(NORMAL, self.farewell)

    async def _pump(self) -> bool:
        """True when the process has ended, False when the client has gone."""
        helpers = self._keep_alive(), self._acknowledge(), self._stdin.pump()
        async with side_by_side(self._outputs(), self._inputs(), *helpers) as (outputs, inputs, alive, *_):
            await first_of(outputs, inputs, alive)
            return outputs.done()

    async def _outputs(self) -> None:
        attached = self._attachment.attached
        if self._place.extended:
            await self._websocket.send_bytes(PLACE.pack(PLACE_FRAME, attached.offset, attached.input))
        await self._send(self._replay.reach(attached.offset))
        async for item in self._attachment:
            await self._send(self._last(item) if isinstance(item, Exited) else self._replay.messages(item))

    def _last(self, exited: Exited) -> Iterator[bytes]:
        yield from self._replay.finish()
        yield EXIT.pack(EXIT_FRAME, exit_code(exited.code, exited.ending))

    async def _send(self, messages: Iterator[bytes]) -> None:
        for message in messages:
            await self._websocket.send_bytes(message)

    async def _inputs(self) -> None:
        """Ends when the client has gone."""
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                self._attachment.keep_place = self._attachment.keep_place and message["code"] != NORMAL
                return
            await self._take(message)

    async def _take(self, message: Message) -> None:
        data = message.get("bytes") or b""
        if data[:1] == STDIN and (len(data) > 1 or self._place.extended):
            await self._stdin.put(data[1:])
        elif self._place.acks and data[:1] == GOT and len(data) == COUNT.size:
            self._attachment.has_got(COUNT.unpack(data)[1])

    async def _keep_alive(self) -> None:
        """Also finds out that a client has gone whose stdin is not being read."""
        while True:
            await asyncio.sleep(KEEPALIVE_S)
            await self._websocket.send_bytes(b"")

    async def _acknowledge(self) -> None:
        """Several acceptances become one frame where the client reads slowly."""
        taken: int | None = self._attachment.attached.input
        while self._place.extended and (taken := await self._attachment.input_taken_above(taken or 0)) is not None:
            await self._websocket.send_bytes(COUNT.pack(TAKEN_FRAME, taken))


class Attaching:
    def __init__(self, links: Links, first_readers: FirstReaders) -> None:
        self._links = links
        self._first_readers = first_readers

    async def attach(self, websocket: WebSocket) -> None:
        """What is wrong before the upgrade is answered as plain HTTP (contract 3.1)."""
        session = websocket.path_params["session_id"]
        if not SESSION.fullmatch(session):
            raise unknown(session)
        place = place_of(websocket.query_params) if asks_for_more(websocket) else Place()
        link = await self._links.link(websocket.path_params["id"])
        with refusals(SESSIONS):
            attachment = link.attach(session, place.reader, place.offset)
            attachment.keep_place = bool(place.reader)
            async with attachment:
                self._first_readers.arrived(session)
                if place.acks:
                    attachment.settle_by_hand()
                await websocket.accept()
                await Client(websocket, attachment, place).serve()
