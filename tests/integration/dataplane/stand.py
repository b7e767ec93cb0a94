"""A real agent as a host process, the data plane's routes over a Unix socket, and clients of them."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect, unix_connect

from oc.runtime.driver import Endpoint
from oc.worker.agent.link import Link
from oc.worker.dataplane import routes
from oc.worker.envelope import handlers

ID = "sb-0123abcd"
DEADLINE_S = 60.0  # only ever reached by a failing test
OURS = {"X-OC-Attach": "1"}


@dataclass
class OneSandbox:
    """`Links` of a worker with one sandbox. A lost link is replaced at the next question, as the supervisor does."""

    endpoint: Endpoint
    open: list[Link] = field(default_factory=list)

    async def link(self, id: str) -> Link:
        assert id == ID
        if not self.open or self.open[-1].closed.is_set():
            self.open.append(await Link.open(self.endpoint, DEADLINE_S))
        return self.open[-1]

    async def close(self) -> None:
        for link in self.open:
            await link.close()


@dataclass
class Stand:
    endpoint: Endpoint
    links: OneSandbox
    socket: Path
    http: httpx.AsyncClient

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        return await self.http.post(f"/sandboxes/{ID}/{path}", json=body)

    async def get(self, what: str, /, **params: str) -> httpx.Response:
        return await self.http.get(f"/sandboxes/{ID}/{what}", params=params)

    async def run(self, command: str, **fields: Any) -> Any:
        answer = await self.post("exec/run", {"cmd": "sh", "args": ["-c", command], **fields})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def session(self, cmd: str, *args: str, **fields: Any) -> str:
        answer = await self.post("exec", {"cmd": cmd, "args": args, **fields})
        assert answer.status_code == 201, answer.text
        id: str = answer.json()["sessionID"]
        return id

    async def listed(self, session: str) -> Any:
        return next(row for row in (await self.get("exec")).json() if row["sessionID"] == session)

    def attach(self, session: str, query: str = "", headers: dict[str, str] | None = None) -> connect:
        uri = f"ws://worker/sandboxes/{ID}/exec/{session}{query}"
        return unix_connect(
            str(self.socket), uri, additional_headers=headers, compression=None, open_timeout=DEADLINE_S
        )


class Frames:
    """An attached client's reading: by tag, with what has come so far."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self.seen: list[bytes] = []

    def of(self, tag: int) -> bytes:
        return b"".join(frame[1:] for frame in self.seen if frame[0] == tag)

    def count(self, tag: int) -> int:
        return sum(frame[0] == tag for frame in self.seen)

    async def until(self, enough: Callable[[], bool]) -> None:
        while not enough():
            frame = await self.websocket.recv()
            assert isinstance(frame, bytes)
            if frame:
                self.seen.append(frame)

    async def exit_code(self) -> int:
        """Reads on to the end; the last frame is the exit, then the server closes with 1000."""
        async for frame in self.websocket:
            assert isinstance(frame, bytes)
            if frame:
                self.seen.append(frame)
        assert (self.websocket.close_code, self.websocket.close_reason) == (1000, "exec completed")
        assert self.seen[-1][0] == 3
        assert len(self.seen[-1]) == 5
        return int.from_bytes(self.seen[-1][1:], "big", signed=True)


class QuietServer(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the test runner's."""
        yield


@asynccontextmanager
async def stand(endpoint: Endpoint) -> AsyncIterator[Stand]:
    with tempfile.TemporaryDirectory(prefix="oc-") as directory, socket.socket(socket.AF_UNIX) as listener:
        path = Path(directory) / "worker.sock"
        listener.bind(str(path))
        listener.listen(128)
        links = OneSandbox(endpoint)
        app = Starlette(routes=routes(links), exception_handlers=handlers)
        config = uvicorn.Config(
            app, lifespan="off", log_config=None, ws_per_message_deflate=False, ws_ping_interval=None, access_log=False
        )
        server = QuietServer(config)
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        transport = httpx.AsyncHTTPTransport(uds=str(path))
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://worker", timeout=DEADLINE_S) as http:
                yield Stand(endpoint, links, path, http)
        finally:
            server.should_exit = True
            await serving
            await links.close()


def on_stand(endpoint: Endpoint, work: Callable[[Stand], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(2 * DEADLINE_S), stand(endpoint) as made:
            await work(made)

    asyncio.run(whole())


async def eventually(condition: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    """Asks again and again; the test's deadline ends it."""
    while not await condition():  # noqa: ASYNC110 - the state asked for is another process's
        await asyncio.sleep(0.01)
