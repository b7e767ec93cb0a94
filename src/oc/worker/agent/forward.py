"""A TCP connection to a port inside, by callbacks: no queue and no task stands between its two ends."""

from __future__ import annotations

from typing import Protocol

from oc.wire.messages import CHUNK, WINDOW, Cancel, Connect, Credit, Data, Done, End, Failed, Message, Opened
from oc.worker.agent.connection import Connection
from oc.worker.agent.failure import PeerBroken
from oc.worker.agent.stream import CREDIT_STEP


class Receiver(Protocol):
    """Who is told. After `over` nothing more comes."""

    def opened(self) -> None: ...

    def received(self, data: bytes) -> None: ...

    def ended(self) -> None:
        """The server inside says no more."""
        ...

    def room(self) -> None:
        """All that was sent is on its way."""
        ...

    def over(self, errno: int | None, reason: str) -> None:
        """Neither side says more. `errno` is 0 after both have ended in good order, None when the link was lost."""
        ...


class Forward:
    """One operation of a link, as `Stream` is. Memory: WINDOW each way, and what `send` was given at a time."""

    def __init__(self, number: int, connection: Connection, receiver: Receiver) -> None:
        self.number = number
        self.ended = False
        self._connection = connection
        self._receiver = receiver
        self._waiting = b""  # to be sent
        self._ending = False  # once that is sent
        self._unaccepted = 0  # bytes sent that the agent has given no credit for
        self._owed = 0  # bytes received that no credit was given for yet
        self._held = False

    def connect(self, port: int) -> None:
        self._post(Connect(port))

    # --- from the agent ---

    def receive(self, message: Message) -> None:
        """Raises PeerBroken."""
        if self.ended:
            return  # given up here; the agent did not know yet
        match message:
            case Data(data=data):
                self._take(data)
            case Credit(count=count):
                self._accept(count)
            case Opened():
                self._receiver.opened()
            case End():
                self._receiver.ended()
            case Done():
                self._finish(0, "")
            case Failed(errno=errno, text=text):
                self._finish(errno, text)
            case _:
                raise PeerBroken(f"sent {type(message).__name__} on stream {self.number}, a connection")

    def lose(self, reason: str) -> None:
        self._finish(None, reason)

    def _take(self, data: bytes) -> None:
        self._owed += len(data)
        if self._owed > WINDOW:
            raise PeerBroken(f"sent more than its credit on stream {self.number}")
        self._receiver.received(data)
        self._settle()

    def _settle(self) -> None:
        if self._owed >= CREDIT_STEP and not self._held and not self.ended:
            self._post(Credit(self._owed))
            self._owed = 0

    def _accept(self, count: int) -> None:
        self._unaccepted -= count
        if self._unaccepted < 0:
            raise PeerBroken(f"gave credit for more than was sent on stream {self.number}")
        self._resume()

    def _finish(self, errno: int | None, reason: str) -> None:
        if not self.ended:
            self.ended = True
            self._waiting = b""
            self._receiver.over(errno, reason)

    # --- to the agent ---

    @property
    def full(self) -> bool:
        """What was sent waits; `room` tells of the end of that. Until then nothing more should be sent."""
        return bool(self._waiting)

    def send(self, data: bytes) -> None:
        if not self.ended:
            self._waiting = self._waiting + data if self._waiting else data
            self._push()

    def end(self) -> None:
        """No more bytes from here, after those that wait."""
        self._ending = True
        self._push()

    def cancel(self) -> None:
        """Gives up at once; nobody is told any more."""
        if not self.ended:
            self.ended = True
            self._waiting = b""
            self._post(Cancel())

    def hold(self) -> None:
        """No more than WINDOW bytes come before `release`."""
        self._held = True

    def release(self) -> None:
        self._held = False
        self._settle()

    def _push(self) -> None:
        while self._waiting and self._may_send(min(len(self._waiting), CHUNK)):
            piece, self._waiting = self._waiting[:CHUNK], self._waiting[CHUNK:]
            self._unaccepted += len(piece)
            self._post(Data(piece))
        if self._ending and not self._waiting and not self.ended:
            self._ending = False
            self._post(End())

    def _may_send(self, size: int) -> bool:
        if self._unaccepted + size > WINDOW:
            return False  # until there is credit
        if not self._connection.writable:
            self._connection.call_when_writable(self._resume)
            return False
        return True

    def _resume(self) -> None:
        if self._waiting:
            self._push()
            if not self._waiting:
                self._receiver.room()

    def _post(self, message: Message) -> None:
        self._connection.post(self.number, message)
