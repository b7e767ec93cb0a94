"""Keeps what a new session writes until its first client has attached.

Between a session's creation and its client's attach nobody reads it, and a process that writes more than RING bytes in
that moment would push out its own beginning. So the worker holds a reader's place there, for a short while: it takes
nothing, which makes such a process wait.
"""

from __future__ import annotations

import asyncio

from oc.model.errors import Unavailable
from oc.worker.agent.attachment import Attachment
from oc.worker.agent.failure import AgentFailed

HOLD_S = 5.0  # a session that nobody attaches to runs on freely after this
MOST = 64  # places held at once, each of at most WINDOW bytes of memory


class FirstReaders:
    def __init__(self, hold_s: float = HOLD_S) -> None:
        self._hold_s = hold_s
        self._arrived: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def hold(self, session: str, attachment: Attachment) -> None:
        """Takes over `attachment`, which nobody has entered yet."""
        if len(self._tasks) >= MOST:
            attachment.detach()
            return
        self._arrived[session] = asyncio.Event()
        task = asyncio.ensure_future(self._wait(session, attachment))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def arrived(self, session: str) -> None:
        """A client has attached, and holds the place from now on."""
        if session in self._arrived:
            self._arrived[session].set()

    def holds(self, session: str) -> bool:
        return session in self._arrived

    async def _wait(self, session: str, attachment: Attachment) -> None:
        try:
            async with attachment, asyncio.timeout(self._hold_s):
                await self._arrived[session].wait()
        except (TimeoutError, Unavailable, AgentFailed):
            return  # there is nothing left to hold, or no reason to
        finally:
            del self._arrived[session]
