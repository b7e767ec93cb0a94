"""A worker that has no sandboxes, only a record of what it was asked, and that fails when it is told to.

`breaks`: it has obeyed and its answer is lost, as when it or the server is killed at that moment.
"""

from __future__ import annotations

import asyncio
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from oc.model.artifact import Artifact
from oc.model.errors import NotFound, OpenComputerError
from oc.model.sandbox import Checkpoint, Observed, Size, Spec

TIME = "2026-01-02T03:04:05Z"
SESSION: dict[str, Any] = {
    "sessionID": "0123abcd", "sandboxID": "sb-00000000", "command": "true", "args": None, "running": True,
    "startedAt": TIME, "attachedClients": 0,
}  # fmt: skip
CANNED: dict[tuple[str, str], tuple[int, Any]] = {
    ("POST", "exec/run"): (200, {"exitCode": 0, "stdout": "out", "stderr": ""}),
    ("POST", "exec/run-async"): (202, {"execId": "0123abcd", "running": True, "startedAt": TIME}),
    ("GET", "exec/{session}/result"): (200, {"running": True, "stdout": "", "stderr": ""}),
    ("POST", "exec"): (201, SESSION),
    ("GET", "exec"): (200, [SESSION]),
    ("POST", "exec/{session}/kill"): (200, {"ok": True}),
    ("POST", "pty"): (201, {"sessionID": "0123abcd", "sandboxID": "sb-00000000"}),
    ("GET", "pty"): (200, []),
    ("POST", "pty/{session}/resize"): (200, None),
    ("DELETE", "pty/{session}"): (204, None),
    ("PUT", "egress"): (204, None),
    ("DELETE", "egress"): (204, None),
    ("GET", "violations"): (200, [{"at": 1, "host": "example.com", "port": 443, "reason": "not allowed"}]),
    ("GET", "files/list"): (200, [{"name": "a", "isDir": False, "path": "/a", "size": 1}]),
    ("POST", "files/mkdir"): (204, None),
    ("DELETE", "files"): (204, None),
}


class StubWorker:
    def __init__(self) -> None:
        self.observed: dict[str, Observed] = {}
        self.specs: list[Spec] = []
        self.removed: list[str] = []
        self.seen: list[tuple[str, str, str, dict[str, str]]] = []  # method, path, query, headers of relayed calls
        self.bodies: list[bytes] = []
        self.state = {"status": "ok", "role": "worker"}
        self.refusal: OpenComputerError | None = None  # of the next ensures
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked_to_run = asyncio.Event()
        self.client_left = asyncio.Event()
        self.closed_with: asyncio.Queue[int] = asyncio.Queue()
        self.download: list[bytes] = [b"content"]
        self.breaks_off = False
        self.artifacts: dict[str, Artifact] = {}
        self.stores_at_once = True  # artifacts are in the blob store as soon as they are made
        self.deeds: list[tuple[str, str, Any]] = []  # verb, sandbox, body
        self.failures: dict[str, OpenComputerError] = {}  # by verb
        self.breaks: set[str] = set()  # verbs that are obeyed, and whose connections break before the answer
        self.asked: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.may: defaultdict[str, asyncio.Event] = defaultdict(_set)
        self.exits: dict[str, tuple[int, str]] = {}  # exit code and stderr of scripts; 0 otherwise
        self.scripts: list[tuple[str, str]] = []  # sandbox, script
        self.memory_available_mb = 4000
        self.used: list[dict[str, Any]] = []
        self.scale_requests: dict[str, dict[str, Any]] = {}  # by id, until they are settled
        self.settled: dict[str, tuple[int, dict[str, Any]]] = {}  # status and body, by id of the request
        self.working = 0  # deeds that it has begun

    @property
    def app(self) -> Starlette:
        sandbox = "/sandboxes/{id}"
        canned = [Route(f"{sandbox}/{path}", self.answer, methods=[method]) for method, path in CANNED]
        return Starlette(
            routes=[
                Route("/health", self.health),
                Route("/host", self.host),
                Route("/sandboxes", self.all),
                Route("/statistics", self.statistics),
                Route("/scale-requests", self.asked_inside),
                Route("/scale-requests/{request}", self.settle, methods=["POST"]),
                Route(sandbox, self.ensure, methods=["PUT"]),
                Route(sandbox, self.remove, methods=["DELETE"]),
                Route(sandbox, self.look),
                *(Route(f"{sandbox}/{verb}", self.deed, methods=["POST"]) for verb in DEEDS),
                Route("/artifacts", self.all_artifacts),
                Route("/artifacts/{artifact}", self.artifact),
                Route("/artifacts/{artifact}", self.delete_artifact, methods=["DELETE"]),
                *canned,
                Route(f"{sandbox}/files", self.read_file, methods=["GET"]),
                Route(f"{sandbox}/files", self.write_file, methods=["PUT"]),
                WebSocketRoute(f"{sandbox}/exec/{{session}}", self.attach),
            ]
        )

    async def health(self, _: Request) -> Response:
        return json(self.state)

    async def host(self, _: Request) -> Response:
        return json({"cpus": 2, "memoryMB": 4096, "memoryAvailableMB": self.memory_available_mb, "runtime": "fake"})

    async def all(self, _: Request) -> Response:
        return json(list(self.observed.values()))

    async def statistics(self, _: Request) -> Response:
        return json(self.used)

    async def asked_inside(self, _: Request) -> Response:
        return json(list(self.scale_requests.values()))

    async def settle(self, request: Request) -> Response:
        id, outcome = request.path_params["request"], msgspec.json.decode(await request.body())
        self.settled[id] = outcome["status"], outcome["body"]
        self.scale_requests.pop(id, None)
        return Response(status_code=204)

    async def ensure(self, request: Request) -> Any:
        spec = msgspec.json.decode(await request.body(), type=Spec)
        self.specs.append(spec)
        return await self._obey("ensure", lambda: self._ensure(spec))

    def _ensure(self, spec: Spec) -> Observed:
        if self.refusal is not None:
            raise self.refusal
        origin = spec.origin
        if isinstance(origin, Checkpoint) and spec.id not in self.observed and origin.id not in self.artifacts:
            raise NotFound(f"no artifact {origin.id}")
        self.observed[spec.id] = Observed(spec.id, "running")
        return self.observed[spec.id]

    async def remove(self, request: Request) -> Response:
        id = request.path_params["id"]
        self.observed.pop(id, None)
        self.removed.append(id)
        return Response(status_code=204)

    async def look(self, request: Request) -> Response:
        found = self.observed.get(request.path_params["id"])
        return json(found) if found else json(NotFound("no such sandbox").body(), 404)

    async def deed(self, request: Request) -> Any:
        """Obeys, refuses, or breaks off, as it was told."""
        verb, id = request.url.path.rpartition("/")[2], request.path_params["id"]
        body = msgspec.json.decode(await request.body() or b"{}")
        self.deeds.append((verb, id, body))
        return await self._obey(verb, lambda: DEEDS[verb](self, id, body))

    async def _obey(self, verb: str, act: Callable[[], Any]) -> Any:
        self.working += 1
        self.asked[verb].set()
        try:
            await self.may[verb].wait()
            if verb in self.failures:
                raise self.failures[verb]
            answer = act()
        except OpenComputerError as error:
            return json(error.body(), error.status)
        finally:
            self.working -= 1
        return Unfinished() if verb in self.breaks else json(answer)

    def freeze(self, id: str, _: Any) -> Observed:
        return self._become(id, "frozen")

    def run_again(self, id: str, _: Any) -> Observed:
        return self._become(id, "running")

    def hibernate(self, id: str, body: Any) -> Artifact:
        artifact = self.artifacts.get(body["artifact"]) or self._save(id, body["artifact"], True)
        self.observed.pop(id, None)
        return artifact

    def checkpoint(self, id: str, body: Any) -> Artifact:
        return self.artifacts.get(body["artifact"]) or self._save(id, body["artifact"], body["memory"])

    def restore(self, id: str, body: Any) -> Observed:
        if body["artifact"] not in self.artifacts:
            raise NotFound(f"no artifact {body['artifact']}")
        return self._become(id, "running")

    def _become(self, id: str, state: Any) -> Observed:
        if id not in self.observed:
            raise NotFound(f"sandbox {id} not found")
        self.observed[id] = Observed(id, state)
        return self.observed[id]

    def _save(self, id: str, artifact: str, memory: bool) -> Artifact:
        if id not in self.observed:
            raise NotFound(f"sandbox {id} not found")
        made = Artifact(artifact, id, memory, Size(1.0, 512, 1024), "storing")
        self.artifacts[artifact] = made
        if self.stores_at_once:
            self.stored(artifact)
        return made

    def stored(self, artifact: str) -> None:
        """It has reached the blob store."""
        made = self.artifacts[artifact]
        self.artifacts[artifact] = msgspec.structs.replace(made, state="stored", reason=None, plain_bytes=1 << 20)

    async def all_artifacts(self, _: Request) -> Response:
        return json(list(self.artifacts.values()))

    async def artifact(self, request: Request) -> Response:
        found = self.artifacts.get(request.path_params["artifact"])
        return json(found) if found else json(NotFound("no such artifact").body(), 404)

    async def delete_artifact(self, request: Request) -> Response:
        if (failure := self.failures.get("delete_artifact")) is not None:
            return json(failure.body(), failure.status)
        self.artifacts.pop(request.path_params["artifact"], None)
        return Response(status_code=204)

    def asked_for(self, verb: str) -> list[Any]:
        """Bodies of the deeds of one kind."""
        return [body for asked, _, body in self.deeds if asked == verb]

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        if request.url.path.endswith("/exec/run") and (script := _script(body)) is not None:
            self.scripts.append((request.path_params["id"], script))
            code, stderr = self.exits.get(script, (0, ""))
            return json({"exitCode": code, "stdout": "", "stderr": stderr})
        self._note(request)
        self.bodies.append(body)
        self.asked_to_run.set()
        asking = asyncio.ensure_future(self.may_answer.wait())
        while not asking.done():
            if await request.is_disconnected():
                self.client_left.set()
                asking.cancel()
                break
            await asyncio.wait((asking,), timeout=0.01)
        tail = request.url.path.split("/", 3)[3]
        session = request.path_params.get("session")
        status, body = CANNED[request.method, tail.replace(session, "{session}") if session else tail]
        return Response(status_code=status) if body is None else json(body, status)

    async def read_file(self, request: Request) -> Any:
        self._note(request)
        if self.breaks_off:
            return Unfinished()

        async def chunks() -> AsyncIterator[bytes]:
            for chunk in self.download:
                yield chunk

        return StreamingResponse(chunks(), media_type="application/octet-stream")

    async def write_file(self, request: Request) -> Response:
        self._note(request)
        self.bodies.append(await request.body())
        return Response(status_code=204)

    async def attach(self, websocket: WebSocket) -> None:
        """Says back what it hears; `close N` closes with code N, `leave` refuses to say how."""
        self._note(websocket)
        if self.refusal is not None:
            await websocket.send_denial_response(json(self.refusal.body(), self.refusal.status))
            return
        await websocket.accept()
        try:
            while True:
                await self._hear(websocket, await websocket.receive())
        except WebSocketDisconnect as closed:
            await self.closed_with.put(closed.code)
        except RuntimeError:
            return  # it has closed the connection itself

    async def _hear(self, websocket: WebSocket, message: Any) -> None:
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        if text := message.get("text"):
            await websocket.send_text(text)
        elif (data := message["bytes"]).startswith(b"close "):
            await websocket.send_bytes(b"last words")
            await websocket.close(int(data[6:]), "as told")
        else:
            await websocket.send_bytes(data)

    def _note(self, request: Request | WebSocket) -> None:
        method = request.scope.get("method", "WS")
        path = request.scope["raw_path"].decode()
        self.seen.append((method, path, request.url.query, dict(request.headers)))


DEEDS: dict[str, Callable[[StubWorker, str, Any], Any]] = {
    "freeze": StubWorker.freeze,
    "hibernate": StubWorker.hibernate,
    "checkpoint": StubWorker.checkpoint,
    "restore": StubWorker.restore,
    "reboot": StubWorker.run_again,
    "resize": StubWorker.run_again,
}


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


def _script(body: bytes) -> str | None:
    """Of a patch, which is run in bash; None when it is a client's own command."""
    try:
        command = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    args = command.get("args") if isinstance(command, dict) and command.get("cmd") == "bash" else None
    return str(args[1]) if isinstance(args, list) and len(args) == 2 else None


class Unfinished:
    """An answer that promises more than it holds."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"1000"), (b"content-type", b"application/octet-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})


def json(body: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


class Quiet(uvicorn.Server):
    """Leaves the signals to the tests' own process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(config: uvicorn.Config, listening: socket.socket) -> AsyncIterator[None]:
    """Clients can connect from the start: the socket listens already."""
    server = Quiet(config)
    task = asyncio.create_task(server.serve([listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def worker_at(path: Path, stub: StubWorker) -> AsyncIterator[None]:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen(64)
    config = uvicorn.Config(
        stub.app, lifespan="off", log_config=None, ws="websockets-sansio", timeout_graceful_shutdown=1
    )
    async with serving(config, listening):
        try:
            yield
        finally:
            path.unlink()
