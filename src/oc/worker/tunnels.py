"""Lets the server through to ports in sandboxes (`oc.wire.tunnels`), on a Unix socket of its own.

No queue and no task stands between the two connections of a tunnel: each side's bytes are written to the other as they
are read, and a side that cannot be written to is not read from.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from errno import ECONNREFUSED
from typing import cast

import msgspec
import structlog

from oc.model.errors import BadRequest, OpenComputerError, Unavailable
from oc.wire.tunnels import LINGER_S, MAX_REQUEST, OK, OPEN_S, REFUSED, hung_up, parse
from oc.worker.agent.forward import Forward
from oc.worker.links import Links

LONGEST = 200  # characters of the agent's words
LOOK_EVERY_S = 5.0  # at whether a server that is not read from is there still
BACKLOG = 512

log = structlog.get_logger()


class NothingListens(Unavailable):
    code = REFUSED


@asynccontextmanager
async def serving(listener: socket.socket, links: Links) -> AsyncIterator[None]:
    """Takes tunnels from the bound socket; at the end all are broken off."""
    tunnels: set[Tunnel] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_unix_server(lambda: Tunnel(links, tunnels), sock=listener, backlog=BACKLOG)
    try:
        yield
    finally:
        server.close()
        for tunnel in list(tunnels):
            tunnel.break_off()


class Tunnel(asyncio.Protocol):
    """A connection from the server, and a `Receiver` of what comes from inside."""

    def __init__(self, links: Links, tunnels: set[Tunnel]) -> None:
        self._links = links
        self._tunnels = tunnels
        self._line = b""
        self._opening: asyncio.Task[None] | None = None
        self._forward: Forward | None = None
        self._open = False
        self._inside_ended = False

    # --- from the server ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._tunnels.add(self)
        self._timer = self._later(OPEN_S, self._too_late)

    def data_received(self, data: bytes) -> None:
        if self._forward is None:
            self._listen(data)
            return
        self._forward.send(data)
        if self._forward.full:
            self._pause()

    def _listen(self, data: bytes) -> None:
        self._line += data
        if b"\n" not in self._line and len(self._line) < MAX_REQUEST:
            return
        place = parse(self._line)
        if place is None or self._opening is not None:
            self._refuse(BadRequest("a tunnel begins with the line SANDBOX PORT"))
            return
        self._transport.pause_reading()
        self._opening = asyncio.ensure_future(self._connect(*place))

    async def _connect(self, id: str, port: int) -> None:
        try:
            link = await self._links.link(id)
            self._forward = link.forward(port, self)
        except OpenComputerError as error:
            self._refuse(error)

    def eof_received(self) -> bool:
        """True: the transport is not to close itself."""
        if self._forward is None or not self._open or self._gone():
            self.break_off()
            return False
        self._forward.end()
        return True

    def connection_lost(self, _: Exception | None) -> None:
        self._tunnels.discard(self)
        self._timer.cancel()
        if self._opening is not None:
            self._opening.cancel()
        self._give_up()

    def pause_writing(self) -> None:
        if self._forward is not None:
            self._forward.hold()

    def resume_writing(self) -> None:
        if self._forward is not None:
            self._forward.release()

    def _pause(self) -> None:
        """While it is not read from, nothing tells that it has gone."""
        self._transport.pause_reading()
        self._timer.cancel()
        self._timer = self._later(LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        if self._gone():
            self.break_off()
        else:
            self._timer = self._later(LOOK_EVERY_S, self._look)

    def _gone(self) -> bool:
        return hung_up(self._transport.get_extra_info("socket").fileno())

    # --- from inside: what is raised here would end the whole link ---

    def opened(self) -> None:
        if self._transport.is_closing():
            return
        self._open = True
        self._timer.cancel()
        self._transport.write(OK)
        self._transport.resume_reading()

    def received(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def ended(self) -> None:
        self._inside_ended = True
        if not self._transport.is_closing():
            self._transport.write_eof()

    def room(self) -> None:
        self._timer.cancel()
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def over(self, errno: int | None, reason: str) -> None:
        if not self._open:
            kind = NothingListens if errno == ECONNREFUSED else Unavailable
            self._refuse(kind(reason[:LONGEST]))
        elif errno == 0 and self._inside_ended:
            self._timer.cancel()
            self._timer = self._later(LINGER_S, self._transport.close)
        else:
            log.debug("tunnel broke off", reason=reason[:LONGEST])
            self.break_off()

    # --- ends ---

    def break_off(self) -> None:
        """The server sees that this is no end in good order: nothing was shut down before, or it has seen that."""
        self._give_up()
        self._transport.abort()

    def _refuse(self, error: OpenComputerError) -> None:
        self._give_up()
        if not self._transport.is_closing():
            self._transport.write(msgspec.json.encode(error.body()) + b"\n")
            self._transport.close()

    def _give_up(self) -> None:
        if self._forward is not None:
            self._forward.cancel()

    def _too_late(self) -> None:
        self._refuse(Unavailable(f"no connection within {OPEN_S:g} s"))

    @staticmethod
    def _later(seconds: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, act)
