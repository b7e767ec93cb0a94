"""A client's connection and one into a sandbox, joined: whatever comes from one goes to the other, as it is.

Each way ends by itself. Neither is read faster than the other can be written to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from socket import SO_KEEPALIVE, SOL_SOCKET

from oc.server.preview.meter import Meter
from oc.wire.tunnels import hung_up

HALF_OPEN_S = 30.0  # longest that one side goes on after the other has ended
TOUCH_EVERY_S = 1.0


class Splice:
    """`touch` is told of traffic. In the set of uvicorn's connections, so that a shutdown closes it."""

    def __init__(
        self,
        client: asyncio.Transport,
        inside: asyncio.Transport,
        meter: Meter,
        touch: Callable[[], None],
        connections: set[Splice],
    ) -> None:
        self.meter = meter
        self._transports = client, inside
        self._touch = touch
        self._connections = connections
        self._touched = 0.0
        self._ended = 0
        self._open = len(self._transports)
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def begin(self, ahead: bytes) -> None:
        """`ahead` has come from inside already."""
        client, inside = self._transports
        self._connections.add(self)
        self.meter.upgraded.inc()
        # A client that has vanished without a word is found out: pings are the server inside's affair.
        client.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)
        if ahead:
            client.write(ahead)
        client.set_protocol(End(self, inside, self.meter.inward.inc, _never))
        inside.set_protocol(End(self, client, self.meter.outward.inc, lambda: _has_hung_up(inside)))
        client.resume_reading()
        inside.resume_reading()

    def traffic(self) -> None:
        now = self._loop.time()
        if now - self._touched >= TOUCH_EVERY_S:
            self._touched = now
            self._touch()

    def ended(self) -> None:
        """One side says no more."""
        self._ended += 1
        if self._ended == len(self._transports):
            self.shutdown()
        elif self._timer is None:
            self._timer = self._loop.call_later(HALF_OPEN_S, self.break_off)

    def lost(self) -> None:
        """One side is gone."""
        self._open -= 1
        if self._open == 0:
            self._connections.discard(self)
            self.meter.upgraded.dec()
            if self._timer is not None:
                self._timer.cancel()
        elif self._ended < len(self._transports):
            self.break_off()

    def shutdown(self) -> None:
        """Closes both, after what was written before."""
        for transport in self._transports:
            transport.close()

    def break_off(self) -> None:
        for transport in self._transports:
            transport.abort()


class End(asyncio.Protocol):
    """What is told of one of the two transports."""

    def __init__(
        self, splice: Splice, other: asyncio.Transport, count: Callable[[float], None], broken: Callable[[], bool]
    ) -> None:
        self._splice = splice
        self._other = other
        self._count = count
        self._broken = broken

    def data_received(self, data: bytes) -> None:
        if not self._other.is_closing():
            self._other.write(data)
        self._count(len(data))
        self._splice.traffic()

    def eof_received(self) -> bool:
        """True: the transport is not to close itself."""
        if self._broken() or self._other.is_closing():
            self._splice.break_off()
            return False
        self._other.write_eof()
        self._splice.ended()
        return True

    def pause_writing(self) -> None:
        if not self._other.is_closing():
            self._other.pause_reading()

    def resume_writing(self) -> None:
        if not self._other.is_closing():
            self._other.resume_reading()

    def connection_lost(self, _: Exception | None) -> None:
        self._splice.lost()


def _never() -> bool:
    return False


def _has_hung_up(transport: asyncio.Transport) -> bool:
    return hung_up(transport.get_extra_info("socket").fileno())
