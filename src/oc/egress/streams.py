"""Reading ahead on asyncio streams, and closing them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass

from oc.egress import limits
from oc.egress.names import Address
from oc.egress.refusal import Reason, RefusedError
from oc.egress.route import Route

PIECE = 65536


class Reader:
    """A stream of which something was read already: `ahead` comes first, again."""

    def __init__(self, stream: asyncio.StreamReader, ahead: bytes = b"") -> None:
        self.stream = stream
        self.ahead = ahead

    async def read(self, most: int = PIECE) -> bytes:
        if self.ahead:
            piece, self.ahead = self.ahead[:most], self.ahead[most:]
            return piece
        return await self.stream.read(most)

    async def look_further(self) -> bool:
        """Reads more ahead; False at the end of the stream."""
        piece = await self.stream.read(PIECE)
        self.ahead += piece
        return bool(piece)


@dataclass(frozen=True)
class Upstream:
    reader: Reader
    writer: asyncio.StreamWriter
    address: Address


async def connect(route: Route) -> Upstream:
    """To the first address that answers. Raises RefusedError."""
    for address in route.addresses:
        try:
            async with asyncio.timeout(limits.CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(str(address), route.port)
        except OSError:  # TimeoutError is one
            continue
        keep_alive(writer)
        return Upstream(Reader(reader), writer, address)
    raise RefusedError(Reason.UNREACHABLE, route.host)


def keep_alive(writer: asyncio.StreamWriter) -> None:
    """A peer that is gone without a word is noticed after some minutes (tcp(7))."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 30)


async def close(writer: asyncio.StreamWriter) -> None:
    """Sends what was written first, as long as the peer takes it."""
    writer.close()
    with contextlib.suppress(OSError):  # it is gone either way; TimeoutError is one
        async with asyncio.timeout(limits.LINGER):
            await writer.wait_closed()
    writer.transport.abort()
