"""A server with the API's answers and none of its sandboxes, as a program: prints its port, serves until it is killed.

Commands are played: `cat`, `digest` (of its input), `source MB`, `both`, `exit N`, `wait` (for a signal), `deaf` (to
signals), `vanish`.
With --cuts, WebSockets are cut off that many times after a while, and are refused once before each return.
A reader that acknowledges output gets it once, and a window ahead; what it acknowledges before it was sent ends the
session.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import hashlib
import itertools
import json
import os
import socket
import struct
import sys
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from tests.integration.cli.stand_in_checkpoints import FAMILY, Checkpoints

KEY = "osb_" + "5" * 64
CHUNK = 64 << 10
UNLIMITED = 1 << 62
WINDOW = 512 << 10  # bytes that are sent without an acknowledgement
STDOUT, STDERR, EXIT, REPLAYED, PLACE, TAKEN, GOT = 1, 2, 3, 4, 5, 6, 7
BLOCK = bytes(range(256)) * 256


@dataclass
class Session:
    """What a played command has written, taken and left behind."""

    id: str
    argv: list[str]
    output: list[tuple[int, bytes]] = field(default_factory=list)
    taken: dict[str, int] = field(default_factory=dict)
    got: dict[str, int] = field(default_factory=dict)  # a reader's place: what is before it is not sent again
    places: dict[str, Connection] = field(default_factory=dict)
    input: bytearray = field(default_factory=bytearray)
    ended_input: bool = False
    signals: list[int] = field(default_factory=list)
    places_given_up: list[str] = field(default_factory=list)
    not_understood: list[int] = field(default_factory=list)
    exit_code: int | None = None
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def change(self, step: Any) -> None:
        async with self.changed:
            step(self)
            self.changed.notify_all()


def begin(session: Session) -> None:
    match session.argv:
        case ["source", megabytes]:
            session.output = [(STDOUT, number.to_bytes(4, "big") + BLOCK[4:]) for number in range(int(megabytes) * 16)]
            session.exit_code = 0
        case ["both"]:
            session.output = [(STDOUT, b"out 1\n"), (STDERR, b"err 1\n"), (STDOUT, b"out 2\n"), (STDERR, b"err 2\n")]
            session.exit_code = 0
        case ["exit", code]:
            session.exit_code = int(code)
        case ["wait"] | ["deaf"]:
            session.output = [(STDOUT, b"ready\n")]


def advance(session: Session) -> None:
    """After input or a signal."""
    if session.argv == ["cat"] and session.input:
        session.output.append((STDOUT, bytes(session.input)))
        session.input.clear()
    if session.argv[0] in {"cat", "digest"} and session.ended_input and session.exit_code is None:
        if session.argv == ["digest"]:
            digest = f"{hashlib.sha256(session.input).hexdigest()} {len(session.input)}\n"
            session.output.append((STDOUT, digest.encode()))
        session.exit_code = 0
    if session.argv == ["wait"] and session.signals:
        session.exit_code = 128 + session.signals[0] if session.signals[0] != 9 else -1


class StandIn:
    def __init__(self, *, forgets: bool, published: bool) -> None:
        self.sessions: dict[str, Session] = {}
        self.requests: list[dict[str, Any]] = []
        self.refusals = 0
        self.forgets = forgets
        self.published = published
        self.numbers = itertools.count(1)

    def app(self) -> Starlette:
        exec_path = "/api/sandboxes/{id}/exec"
        return Starlette(
            routes=[
                *Checkpoints(self).routes(),
                Route(
                    "/api/whoami", self.answer({"org_id": "o-1", "user_id": None, "email": None, "org_name": "home"})
                ),
                Route("/api/sandboxes", self.sandboxes, methods=["GET", "POST"]),
                Route("/api/sandboxes/{id}", self.sandbox, methods=["GET", "DELETE"]),
                Route("/api/sandboxes/{id}/scale", self.scaling, methods=["POST"]),
                Route("/api/sandboxes/{id}/autoscale", self.scaling, methods=["GET", "PUT"]),
                Route("/api/sandboxes/{id}/scaling-lock", self.scaling, methods=["GET", "PUT"]),
                Route("/api/sandboxes/{id}/timeout", self.no_content, methods=["POST"]),
                Route(exec_path, self.exec, methods=["GET", "POST"]),
                Route(f"{exec_path}/run", self.run, methods=["POST"]),
                Route(f"{exec_path}/{{session}}/kill", self.kill, methods=["POST"]),
                WebSocketRoute(f"{exec_path}/{{session}}", self.attach),
                Route("/seen", self.seen),
            ]
        )

    def interrupt(self) -> None:
        """As a restart does: it is away for one request, and may have lost what it knew."""
        self.refusals = 1
        if self.forgets:
            self.sessions.clear()

    def refusal(self, request: Request) -> Response | None:
        if request.headers.get("x-api-key") != KEY:
            return JSONResponse({"error": "invalid API key", "code": "unauthorized"}, 401)
        if request.path_params.get("id") in STATUSES:
            status, text = STATUSES[request.path_params["id"]]
            return JSONResponse({"error": text, "hint": "a hint"}, status)
        return None

    def answer(self, body: Any) -> Any:
        async def answer(request: Request) -> Response:
            return self.refusal(request) or JSONResponse(body)

        return answer

    async def note(self, request: Request) -> dict[str, Any]:
        body = json.loads(await request.body() or b"null")
        headers = dict(request.headers)
        self.requests.append({"path": request.url.path, "query": request.url.query, "body": body, "headers": headers})
        return body or {}

    async def seen(self, request: Request) -> Response:
        sessions = {
            id: {
                "signals": one.signals,
                "given_up": one.places_given_up,
                "readers": list(one.taken),
                "got": one.got,
                "not_understood": one.not_understood,
            }
            for id, one in self.sessions.items()
        }
        return JSONResponse({"requests": self.requests, "sessions": sessions})

    async def sandboxes(self, request: Request) -> Response:
        body = await self.note(request)
        if refused := self.refusal(request):
            return refused
        if request.method == "POST":
            return JSONResponse(SANDBOX | {"metadata": body.get("metadata", {})}, 201)
        if request.query_params.get("status") == "all":
            return JSONResponse(FAMILY)
        return JSONResponse([SANDBOX, SANDBOX | {"sandboxID": "sb-00000002", "status": "\x1b[31mred"}])

    async def sandbox(self, request: Request) -> Response:
        if refused := self.refusal(request):
            return refused
        if request.method == "DELETE":
            return Response(status_code=204)
        id = request.path_params["id"]
        patch_error = {"patchError": "patch seq 2 failed: exit code 3"} if id == "sb-00000002" else {}
        return JSONResponse(SANDBOX | {"sandboxID": id} | patch_error)

    async def scaling(self, request: Request) -> Response:
        """Answers what it was told; to a question, that it was told nothing."""
        told = {"enabled": False, "minMemoryMB": 0, "maxMemoryMB": 0, "locked": False} | await self.note(request)
        cpus = told.get("cpuCount", 1)
        body = {"sandboxID": request.path_params["id"], "cpuPercent": round(100 * cpus), **told}
        return self.refusal(request) or JSONResponse(body)

    async def no_content(self, request: Request) -> Response:
        await self.note(request)
        return self.refusal(request) or Response(status_code=204)

    async def exec(self, request: Request) -> Response:
        body = await self.note(request)
        if refused := self.refusal(request):
            return refused
        if request.method == "GET":
            return JSONResponse([self.listed(session) for session in self.sessions.values()])
        session = Session(f"{next(self.numbers):08x}", [body["cmd"], *body.get("args", [])])
        self.sessions[session.id] = session
        begin(session)
        return JSONResponse(self.listed(session), 201)

    def listed(self, session: Session) -> dict[str, Any]:
        listed = {
            "sessionID": session.id,
            "sandboxID": "sb-00000001",
            "command": session.argv[0],
            "args": session.argv[1:] or None,
            "running": session.exit_code is None,
            "startedAt": "2026-01-02T03:04:05Z",
            "attachedClients": 0,
        }
        return listed if session.exit_code is None else listed | {"exitCode": session.exit_code}

    async def run(self, request: Request) -> Response:
        """Answers late, so that blanks come first (contract 2.2.1)."""
        body = await self.note(request)
        if refused := self.refusal(request):
            return refused
        result = {"exitCode": int((body.get("args") or ["0"])[0]), "stdout": "out ü\n", "stderr": "err\n"}
        return Response(b"   " + json.dumps(result).encode(), media_type="application/json")

    async def kill(self, request: Request) -> Response:
        body = await self.note(request)
        session = self.sessions[request.path_params["session"]]
        session.signals.append(body["signal"])
        await session.change(advance)
        return JSONResponse({})

    async def attach(self, websocket: WebSocket) -> None:
        if websocket.headers.get("x-api-key") != KEY:
            await websocket.send_denial_response(JSONResponse({"error": "invalid API key"}, 401))
            return
        session = self.sessions.get(websocket.path_params["session"])
        if session is None:
            await websocket.send_denial_response(JSONResponse({"error": "exec session not found"}, 404))
            return
        if self.refusals:
            self.refusals -= 1
            await websocket.send_denial_response(JSONResponse({"error": "starting"}, 503))
            return
        extended = websocket.headers.get("x-oc-attach") == "1" and not self.published
        await websocket.accept()
        await Connection(self, session, websocket, extended=extended).serve()


class Connection:
    def __init__(self, server: StandIn, session: Session, websocket: WebSocket, *, extended: bool) -> None:
        self.server, self.session, self.websocket, self.extended = server, session, websocket, extended
        self.reader = websocket.query_params.get("reader", "")
        self.acks = extended and websocket.query_params.get("acks") == "1"
        self.offset = int(websocket.query_params.get("offset", "0")) if extended else 0
        if self.acks:
            self.offset = session.got[self.reader] = max(self.offset, session.got.get(self.reader, 0))
        self.sent = self.offset
        session.taken.setdefault(self.reader, 0)
        session.places[self.reader] = self  # a connection that was cut off has nothing more to say

    async def serve(self) -> None:
        tasks = [asyncio.create_task(work()) for work in (self.outputs, self.inputs)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # a client that has gone is no fault

    async def outputs(self) -> None:
        if self.extended:
            await self.websocket.send_bytes(struct.pack("!BQQ", PLACE, self.offset, self.session.taken[self.reader]))
        position, reported = await self.send_from(list(self.session.output), 0), 0
        await self.websocket.send_bytes(bytes((REPLAYED,)))
        while True:
            async with self.session.changed:
                await self.session.changed.wait_for(functools.partial(self.news, position, reported))
                chunks, taken = list(self.session.output), self.session.taken[self.reader]
                code = self.session.exit_code
            position = await self.send_from(chunks, position)
            if self.extended and taken > reported:
                reported = taken
                await self.websocket.send_bytes(struct.pack("!BQ", TAKEN, taken))
            if self.session.argv == ["vanish"]:
                await self.websocket.close(1000, "sandbox stopped")
                return
            if code is not None and position == len(self.session.output):
                await self.websocket.send_bytes(struct.pack("!Bi", EXIT, code))
                await self.websocket.close(1000, "exec completed")
                return

    def news(self, position: int, reported: int) -> bool:
        session = self.session
        return (
            position < len(session.output)
            or (self.extended and session.taken[self.reader] > reported)
            or session.exit_code is not None
            or session.argv == ["vanish"]
        )

    async def send_from(self, chunks: list[tuple[int, bytes]], position: int) -> int:
        """Chunks are whole on the wire, except the first, which begins where the reader's place is."""
        begins = sum(len(data) for _, data in chunks[:position])
        for channel, data in chunks[position:]:
            skipped = min(max(0, self.offset - begins), len(data))
            begins += len(data)
            if skipped < len(data):
                await self.room()
                self.sent = begins
                await self.websocket.send_bytes(bytes((channel,)) + data[skipped:])
        return len(chunks)

    async def room(self) -> None:
        async with self.session.changed:
            await self.session.changed.wait_for(
                lambda: not self.acks or self.sent - self.session.got[self.reader] < WINDOW
            )

    async def inputs(self) -> None:
        while True:
            message = await self.websocket.receive()
            if message["type"] == "websocket.disconnect":
                if message["code"] == 1000 and self.session.exit_code is None:
                    self.session.places_given_up.append(self.reader)
                return
            data = message.get("bytes") or b""
            if self.session.places[self.reader] is not self:
                continue
            if data[:1] == b"\0":
                self.take(data[1:])
                await self.session.change(advance)
            elif not self.acks or data[0] != GOT:
                self.session.not_understood.append(data[0])
            elif not await self.got(*struct.unpack("!Q", data[1:])):
                await self.websocket.close(1000, "acknowledged what was never sent, or twice")
                return

    async def got(self, offset: int) -> bool:
        if not self.session.got[self.reader] < offset <= self.sent:
            return False
        async with self.session.changed:
            self.session.got[self.reader] = offset
            self.session.changed.notify_all()
        return True

    def take(self, data: bytes) -> None:
        self.session.input += data
        self.session.taken[self.reader] += len(data)
        if not data and self.extended:
            self.session.ended_input = True


class Cutter:
    """Carries bytes to the server, and cuts WebSockets off without a word, in the middle of what is on its way."""

    def __init__(self, stand_in: StandIn, port: int, cuts: int, cut_after: int) -> None:
        self.stand_in, self.port, self.cuts, self.cut_after = stand_in, port, cuts, cut_after

    async def carry(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection("127.0.0.1", self.port)
        cut = False
        try:
            head = await client.readuntil(b"\r\n\r\n")
            to_server.write(head)
            budget = self.cut_after if self.cuts and b"websocket" in head else UNLIMITED
            cut = await self.both(self.pump(client, to_server, budget), self.pump(server, to_client, budget))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # one of the two has gone
        finally:
            if cut:
                self.cuts -= 1
                self.stand_in.interrupt()
            for end in (to_client, to_server):
                end.transport.abort() if cut else end.close()

    async def both(self, *ways: Coroutine[Any, Any, bool]) -> bool:
        tasks = [asyncio.create_task(way) for way in ways]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        return True in await asyncio.gather(*tasks, return_exceptions=True)

    async def pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, budget: int) -> bool:
        """Whether it has carried enough."""
        while data := await source.read(CHUNK):
            sink.write(data[:budget])
            await sink.drain()
            budget -= len(data)
            if budget <= 0:
                return True
        return False


STATUSES = {
    "sb-00000404": (404, "sandbox not found"),
    "sb-00000409": (409, "in conflict"),
    "sb-00000410": (410, "sandbox sb-00000410 has been stopped"),
    "sb-00000500": (500, "it failed"),
}
SANDBOX = {
    "sandboxID": "sb-00000001",
    "templateID": "base",
    "status": "running",
    "cpuCount": 1,
    "memoryMB": 1024,
    "startedAt": "2026-01-02T03:04:05.123456Z",
    "endAt": None,
}


async def serve(options: argparse.Namespace) -> None:
    stand_in = StandIn(forgets=options.forget, published=options.published)
    inner = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        stand_in.app(), lifespan="off", log_level="critical", ws_per_message_deflate=False, ws_ping_interval=1
    )
    serving = asyncio.create_task(uvicorn.Server(config).serve(sockets=[inner]))
    cutter = Cutter(stand_in, inner.getsockname()[1], options.cuts, options.cut_after)
    outer = await asyncio.start_server(cutter.carry, "127.0.0.1", 0)
    print(outer.sockets[0].getsockname()[1], flush=True)
    await serving


def end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cuts", type=int, default=0)
    parser.add_argument("--cut-after", type=int, default=UNLIMITED)
    parser.add_argument("--forget", action="store_true", help="when it cuts, it has also lost its sessions")
    parser.add_argument("--published", action="store_true", help="it does not know what only our own program sends")
    threading.Thread(target=end_with_parent, daemon=True).start()
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
