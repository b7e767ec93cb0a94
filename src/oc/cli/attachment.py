"""Watching a session: its output here, our input there, over as many connections as it takes (contract 3.1).

With `X-OC-Attach: 1` the server tells where output begins and how much input was taken, and is told how much output
was written here (`acks=1`), so that after a loss both go on at the very byte where they stopped. A server that does
not know this is watched over one connection.
"""

from __future__ import annotations

import os
import select
import struct
import time

from oc.cli import websocket
from oc.cli.errors import TRANSIENT, ApiError, CliError, Unreachable
from oc.cli.frames import NORMAL, PING, Closed
from oc.cli.transcript import CHANNELS, Transcript

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from oc.cli.api import Api
    from oc.cli.patience import Patience
    from oc.cli.stdin import Input
    from oc.cli.websocket import WebSocket

EXTENSION = {"X-OC-Attach": "1"}
EXIT, PLACE, TAKEN = 3, 5, 6
ACK_BYTES = 128 << 10  # the server sends no more than a few times this without an acknowledgement
ACK_S = 0.05  # a shorter pause in the output is none
IDLE_S = 25.0  # a ping then keeps proxies from forgetting the connection
STEADY_S = 10.0  # a connection that has lived this long was a good one
LONGEST_EVENT = 64


class SessionEnded(CliError):  # noqa: N818 - what has happened, not a fault
    """The session has gone without an exit code, as when its sandbox was killed."""

    exit_code = 255


class Attachment:
    """`target` is the session's path. `whole`: we are there from the first byte on, so none may be missing."""

    def __init__(self, api: Api, target: str, patience: Patience, *, input: Input, whole: bool) -> None:
        self._api = api
        reader = os.urandom(8).hex()  # names our place in the output over all our connections
        self._target = f"{target}?reader={reader}&acks=1&offset="
        self._input = input
        self._transcript = Transcript(whole=whole)
        self._patience = patience
        self._placed = False  # whether this connection has said where it begins
        self._resumable = True
        self._kind = 0
        self._event = bytearray()
        self._exit_code: int | None = None

    def run(self) -> int:
        """The exit code. Raises CliError, and OSError when the output cannot be written."""
        while True:
            started = time.monotonic()
            try:
                return self._converse(self._connect())
            except (Unreachable, Closed, ApiError) as loss:
                if isinstance(loss, ApiError) and loss.status not in TRANSIENT:
                    raise
                if not self._resumable:
                    raise self._patience.exhausted(loss) from loss
                if time.monotonic() - started > STEADY_S:
                    self._patience.renew()
                self._pause(loss)

    def _pause(self, loss: Exception) -> None:
        """Before the next attempt. Raises CliError when there have been enough of them."""
        self._patience.wait(loss)

    def _connect(self) -> WebSocket:
        self._placed = False
        self._event.clear()
        return websocket.connect(self._api, f"{self._target}{self._transcript.offset}", EXTENSION)

    def _converse(self, connection: WebSocket) -> int:
        """Until the exit code has come. Raises Closed when the connection ends before."""
        try:
            exit_code = self._relay(connection)
        except Closed as end:
            connection.drop()
            if end.code == NORMAL:
                raise SessionEnded(f"the session has ended without an exit code: {end.reason or 'closed'}") from end
            raise
        except BaseException:  # whatever ends us gives up our place, or the command would wait for us
            connection.close(heard=True)
            raise
        connection.close(heard=False)
        return exit_code

    def _relay(self, connection: WebSocket) -> int:
        while True:
            moved = self._transcript.offset, self._input.taken
            self._receive(connection)
            if self._exit_code is not None:
                return self._exit_code
            if moved != (self._transcript.offset, self._input.taken):
                self._patience.renew()
            self._acknowledge(connection, ACK_BYTES)
            self._send(connection)
            self._wait(connection)

    def _wait(self, connection: WebSocket) -> None:
        reading: list[Any] = [connection]
        if self._placed and self._input.wanted:
            reading.append(self._input.descriptor)
        writing = [connection] if connection.sending else []
        timeout_s = 0 if connection.buffered else self._longest_s
        readable, writable, _ = select.select(reading, writing, [], timeout_s)
        if self._input.descriptor in readable:
            self._input.read()
        if timeout_s and not readable and not writable:
            self._idle(connection)

    @property
    def _longest_s(self) -> float:
        """How long nothing need be done if nothing comes."""
        return ACK_S if self._owed else IDLE_S

    def _idle(self, connection: WebSocket) -> None:
        if self._owed:
            self._acknowledge(connection, 1)
        else:
            connection.send(b"", PING)

    @property
    def _owed(self) -> int:
        """Bytes of output that the server waits to hear about."""
        return self._transcript.owed if self._placed and self._resumable else 0

    def _acknowledge(self, connection: WebSocket, least: int) -> None:
        if self._owed >= least:
            connection.send(self._transcript.acknowledgement())

    def _send(self, connection: WebSocket) -> None:
        connection.flush()
        while self._placed and not connection.sending and (frame := self._input.next_frame()):
            connection.send(frame)

    def _receive(self, connection: WebSocket) -> None:
        try:
            for first, last, piece in connection.receive():
                self._take(first, last, piece)
        except Closed:
            if self._exit_code is None:  # else the server has said all
                raise
        finally:
            self._transcript.flush()

    def _take(self, first: bool, last: bool, piece: memoryview) -> None:
        if first:
            self._kind = piece[0]
            if not self._placed and self._kind != PLACE:
                self._begin_unplaced()
        if self._kind in CHANNELS:
            self._transcript.add(self._kind, piece[1:] if first else piece)
            return
        self._event += piece[: LONGEST_EVENT - len(self._event)]
        if last:
            self._happened(bytes(self._event[1:]))
            self._event.clear()

    def _happened(self, content: bytes) -> None:
        if self._kind == EXIT:
            self._exit_code = struct.unpack("!i", content)[0] if len(content) == 4 else 0
        elif self._kind == PLACE and len(content) == 16:
            self._begin(*struct.unpack("!QQ", content))
        elif self._kind == TAKEN and len(content) == 8:
            self._input.confirm(struct.unpack("!Q", content)[0])

    def _begin(self, offset: int, taken: int) -> None:
        self._placed = True
        self._transcript.begin(offset)
        self._input.rewind(taken)
        self._patience.connected()

    def _begin_unplaced(self) -> None:
        self._placed, self._resumable = True, False
        self._input.rewind(None)
