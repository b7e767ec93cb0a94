"""A terminal's WebSocket (contract 3.2): its bytes as they are, both ways.

A client begins with what no client has had yet, so that the prompt that was printed before it came is there and nothing
is shown twice. With `X-OC-Attach: 1` our own command line gets the protocol of exec sessions instead (`attach.py`): it
goes on at the very byte where a connection was lost, is given the screen again, and learns the exit code.
"""

from __future__ import annotations

from collections import OrderedDict

from starlette.types import Message
from starlette.websockets import WebSocket

from oc.wire.messages import Exited
from oc.worker.agent.attachment import Attachment
from oc.worker.attach import Attaching, Client, Place, asks_for_more
from oc.worker.first_readers import FirstReaders
from oc.worker.links import Links
from oc.worker.pty import TERMINALS, check, session_of
from oc.worker.refusals import refusals

MOST = 4096  # terminals that are remembered; of others a client gets all that their sandbox still holds


class Unread:
    """Up to which byte of its output somebody has seen each terminal."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._seen: OrderedDict[tuple[str, str], int] = OrderedDict()

    def offset(self, sandbox: str, session: str) -> int:
        return self._seen.get((sandbox, session), 0)

    def seen(self, sandbox: str, session: str, offset: int) -> None:
        """All before `offset`."""
        key = sandbox, session
        self._seen[key] = max(offset, self._seen.get(key, 0))
        self._seen.move_to_end(key)
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)


class RawClient(Client):
    farewell = "shell exited"

    def __init__(self, websocket: WebSocket, attachment: Attachment, unread: Unread, name: tuple[str, str]) -> None:
        super().__init__(websocket, attachment, Place())
        self._unread = unread
        self._name = name

    async def _outputs(self) -> None:
        async for item in self._attachment:
            if not isinstance(item, Exited):
                await self._websocket.send_bytes(item.data)
                self._unread.seen(*self._name, item.offset + len(item.data))

    async def _take(self, message: Message) -> None:
        """Nothing is not the end of input here: that is typed, as Ctrl-D."""
        if data := message.get("bytes") or (message.get("text") or "").encode():
            await self._stdin.put(data)


class PtyAttaching:
    def __init__(self, links: Links, first_readers: FirstReaders, attaching: Attaching) -> None:
        self._links = links
        self._first_readers = first_readers
        self._attaching = attaching
        self._unread = Unread()

    async def attach(self, websocket: WebSocket) -> None:
        """What is wrong before the upgrade is answered as plain HTTP."""
        session, sandbox = session_of(websocket), websocket.path_params["id"]
        link = await self._links.link(sandbox)
        await check(link, session)
        if asks_for_more(websocket):
            await self._attaching.attach(websocket)
            return
        with refusals(TERMINALS):
            async with link.attach(session, offset=self._unread.offset(sandbox, session)) as attachment:
                self._first_readers.arrived(session)
                await websocket.accept()
                await RawClient(websocket, attachment, self._unread, (sandbox, session)).serve()
