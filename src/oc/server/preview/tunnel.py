"""Opens a way to a port in a sandbox, through the worker (`oc.wire.tunnels`)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import msgspec

from oc.model.errors import Unavailable
from oc.wire.tunnels import MAX_ANSWER, OK, OPEN_S, REFUSED, request

PAUSES_S = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)  # before each new attempt (contract 2.9.2)
PASSING = frozenset((REFUSED, Unavailable.code))  # what may be over in a moment


class Unreachable(Exception):  # noqa: N818 - as in model.errors
    """No connection to the port, for now (`passing`) or for good."""

    def __init__(self, reason: str, passing: bool = True) -> None:
        super().__init__(reason)
        self.passing = passing


class Answer(msgspec.Struct):
    error: str
    code: str


class Greeting(asyncio.Protocol):
    """Until the worker has answered. What comes after its answer stays in the socket."""

    def __init__(self, line: bytes) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._line = line
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._transport.write(self._line)

    def data_received(self, data: bytes) -> None:
        self._held += data
        if b"\n" in self._held or len(self._held) > MAX_ANSWER:
            self._transport.pause_reading()
            self._say(self._held)

    def connection_lost(self, _: Exception | None) -> None:
        self._say(b"")

    def _say(self, answer: bytes) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


async def persist(socket: Path, sandbox: str, port: int, protocol: asyncio.Protocol) -> None:
    """As `open_once`, again and again while the server inside, or the worker, may just be starting."""
    for pause in PAUSES_S:
        try:
            return await open_once(socket, sandbox, port, protocol)
        except Unreachable as unreachable:
            if not unreachable.passing:
                raise
        await asyncio.sleep(pause)
    return await open_once(socket, sandbox, port, protocol)


async def open_once(socket: Path, sandbox: str, port: int, protocol: asyncio.Protocol) -> None:
    """Gives `protocol` the open connection. Raises Unreachable."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(OPEN_S + 1):
            transport, greeting = await loop.create_unix_connection(
                lambda: Greeting(request(sandbox, port)), str(socket)
            )
            try:
                _check(await greeting.answer)
            except BaseException:
                transport.abort()
                raise
    except OSError as error:  # TimeoutError is one
        raise Unreachable(f"the worker does not answer: {error}") from error
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    transport.resume_reading()


def _check(answer: bytes) -> None:
    """Raises Unreachable. Whoever listens inside and speaks before it is spoken to does not speak HTTP."""
    if answer == OK:
        return
    if answer.startswith(OK):
        raise Unreachable("what listens there is no HTTP server", passing=False)
    try:
        refusal = msgspec.json.decode(answer, type=Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Unreachable("the worker broke off") from None
    raise Unreachable(refusal.error, refusal.code in PASSING)
