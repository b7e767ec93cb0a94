"""One connection to a server in a sandbox: HTTP/1.1 as a client speaks it (RFC 9112), one exchange after the other.

Nothing that comes is trusted: heads are bounded and checked, bodies are read only as fast as somebody takes them.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple, cast

import httptools

from oc.server.preview.fields import CODING, LENGTH, Fields, Malformed, check, framing
from oc.wire.tunnels import hung_up

MAX_HEAD = 64 << 10  # bytes
MAX_FIELDS = 256
HIGH_WATER = 256 << 10  # bytes of a body that wait for the client before no more are read
SWITCHING = 101
BODILESS = frozenset((204, 304))
FIRST, LAST = 200, 599  # final statuses (RFC 9110, 15)


class BadAnswer(Exception):  # noqa: N818 - as in model.errors
    """What came is not HTTP, or not HTTP that may be passed on."""


class Dropped(Exception):  # noqa: N818
    """The connection was closed before the end of the answer. `began`: something of the answer had come."""

    def __init__(self, began: bool) -> None:
        super().__init__("the server inside closed the connection")
        self.began = began


class Late(Exception):  # noqa: N818
    """No answer in time."""


class Head(NamedTuple):
    status: int
    fields: Fields


class Upstream(asyncio.Protocol):
    def __init__(self) -> None:
        self.closed = False
        self._transport: asyncio.Transport
        self._waiter: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._error: Exception | None = None
        self._busy = False
        self._parser = httptools.HttpResponseParser(self)
        self._reset()

    def _reset(self) -> None:
        self._head: Head | None = None
        self._fields: Fields = []
        self._came = 0  # bytes, until the head is whole
        self._size = 0  # of the fields
        self._pieces: list[bytes] = []
        self._held = 0
        self._complete = False
        self._keep = False
        self._to_end = False  # the body ends with the connection
        self._ahead = b""  # what came behind a 101

    # --- an exchange ---

    def begin(self, head: bytes, *, answer_has_body: bool = True, upgrade: bool = False) -> None:
        self._busy = True
        self._answer_has_body = answer_has_body
        self._upgrade = upgrade
        self._sent = False
        self._transport.write(head)

    async def send(self, data: bytes) -> None:
        """Of the request's body. Waits while the server inside is behind; what is sent to a closed one is lost."""
        if not self.closed:
            self._transport.write(data)
            await self._writable.wait()

    def sent(self) -> None:
        """All of the request."""
        self._sent = True

    async def head(self) -> Head:
        """Raises BadAnswer, Dropped, and what `fail` was told."""
        while self._head is None:
            await self._news()
        return self._head

    async def read(self) -> tuple[bytes, bool]:
        """What has come of the body since, and whether more is to come. Raises as `head` does."""
        while not self._pieces and not self._complete:
            await self._news()
        pieces, self._pieces = self._pieces, []
        if self._held > HIGH_WATER and not self._transport.is_closing():
            self._transport.resume_reading()
        self._held = 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces), not self._complete

    def finish(self) -> bool:
        """The exchange is over. True: the connection may have another; else it must be closed."""
        again = self._complete and self._keep and self._sent and self._error is None and not self.closed
        if again:
            self._busy = False
            self._reset()
        return again

    def fail(self, error: Exception) -> None:
        """Whoever waits is told, as who will."""
        if self._error is None:
            self._error = error
            self._wake()

    @property
    def answered(self) -> bool:
        return self._head is not None

    def close(self) -> None:
        """The server inside sees its connection closed."""
        self.closed = True
        self._transport.abort()

    def taken_over(self) -> tuple[asyncio.Transport, bytes]:
        """After a 101: the connection is no longer one of HTTP; with what has come of the new protocol already."""
        return self._transport, self._ahead

    async def _news(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- from the connection ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        if not self._busy:
            self.close()  # nobody has asked: nothing that it says later could be believed
            return
        try:
            self._parser.feed_data(data)
            self._bound(len(data))
        except httptools.HttpParserUpgrade as switched:
            self._switch(data[switched.args[0] :])
        except (httptools.HttpParserError, Malformed) as error:
            self.fail(BadAnswer(f"the answer is not valid HTTP: {error.__context__ or error}"))
        self._wake()

    def _bound(self, size: int) -> None:
        if self._head is None:
            self._came += size
            if self._came > MAX_HEAD:
                raise Malformed("its head is too long")

    def _switch(self, rest: bytes) -> None:
        """The parser has stopped behind a 101, which `on_headers_complete` has let pass."""
        self._transport.pause_reading()
        self._ahead = rest

    def eof_received(self) -> None:
        """The transport closes itself afterwards."""
        if self._to_end and not hung_up(self._transport.get_extra_info("socket").fileno()):
            self._complete = True
            self._wake()

    def connection_lost(self, _: Exception | None) -> None:
        self.closed = True
        self._writable.set()
        if not self._complete:
            self.fail(Dropped(began=self._came > 0 or self._head is not None))

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # --- from the parser ---

    def on_message_begin(self) -> None:
        if self._complete:
            raise Malformed("more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head is not None:
            return  # a trailer
        self._size += len(name) + len(value)
        if self._size > MAX_HEAD or len(self._fields) >= MAX_FIELDS:
            raise Malformed("its head is too long")
        self._fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status, fields = self._parser.get_status_code(), self._fields
        check(fields)
        if status < FIRST and not (status == SWITCHING and self._upgrade):
            if status == SWITCHING:
                raise Malformed("an upgrade that nobody asked for")
            self._fields = []  # only for the next hop (RFC 9110, 15.2)
            return
        if status > LAST:
            raise Malformed(f"no status is {status}")
        self._frame(status, fields)
        self._head = Head(status, fields)

    def _frame(self, status: int, fields: Fields) -> None:
        lengths = [value for name, value in fields if name == LENGTH]
        codings = [value for name, value in fields if name == CODING]
        framing(lengths, codings)
        self._keep = self._parser.should_keep_alive()
        if status == SWITCHING or status in BODILESS:
            return
        if not self._answer_has_body:
            self._complete = True
            self._parser = httptools.HttpResponseParser(self)  # the old one waits for a body
        elif not lengths and not codings:
            self._to_end, self._keep = True, False

    def on_body(self, body: bytes) -> None:
        if self._complete:  # of an answer to HEAD
            self._keep = False
            return
        self._pieces.append(body)
        before, self._held = self._held, self._held + len(body)
        if before <= HIGH_WATER < self._held:
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._head is not None:
            self._complete = True
