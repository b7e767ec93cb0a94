"""The server's side of its worker: typed calls over the worker's Unix socket (design 2)."""

from __future__ import annotations

import time
from contextlib import aclosing
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec
from msgspec import field

from oc.api import bodies
from oc.model.artifact import Artifact
from oc.model.egress import Policy
from oc.model.errors import BY_CODE, BadRequest, Failed, NotFound, OpenComputerError, Unavailable
from oc.model.sandbox import Image, Observed, Spec

T = TypeVar("T")
BASE = "http://worker"
CONNECT_S = 5.0
LOOK_S = 10.0  # longest that the worker may take to say what it has
ENSURE_S = 120.0
REMOVE_S = 60.0
FREEZE_S = 60.0
REBOOT_S = 120.0
RESIZE_S = 60.0
FILES_S = 30.0  # a directory on a slow disk
SAVE_S = 900.0  # memory of many GB on a slow disk; a start from it may have to fetch as much from the blob store
HOST_KEPT_S = 30.0  # how long what is known of the host's size is good for
IDLE_S = 4.0  # below the 5 seconds after which the worker closes an idle connection, so that no request meets the close
BY_STATUS = {kind.status: kind for kind in BY_CODE.values()}  # for errors that only the worker knows by name
UNLIMITED = httpx.Timeout(None, connect=CONNECT_S).as_dict()


class WorkerUnavailable(Unavailable):
    """The worker is away, or went away amid a call. All its calls may be repeated (contract 1.5)."""

    code = "worker_unavailable"


class Host(msgspec.Struct, frozen=True, rename="camel"):
    cpus: float
    memory_mb: int = field(name="memoryMB")
    memory_available_mb: int = field(name="memoryAvailableMB")


class Ran(msgspec.Struct, frozen=True, rename="camel"):
    """What came of a command (contract 2.2.1)."""

    exit_code: int
    stderr: str


class Used(msgspec.Struct, frozen=True, rename="camel"):
    """What a sandbox uses."""

    id: str
    cpu_seconds: float  # since its last start, of all CPUs together
    memory_bytes: int


class ScaleRequest(msgspec.Struct, frozen=True, rename="camel"):
    """A program in a sandbox asks for another size of it."""

    id: str
    sandbox: str
    memory_mb: int = field(name="memoryMB")
    cpu_count: float | None = None


class Violation(msgspec.Struct, frozen=True):
    at: int  # microseconds since 1970
    host: str
    port: int
    reason: str


class Health(msgspec.Struct, frozen=True):
    status: str
    detail: str | None = None


class Envelope(msgspec.Struct, frozen=True):
    error: str
    code: str = ""
    hint: str | None = None
    details: str | None = None


def unavailable(why: Exception) -> WorkerUnavailable:
    return WorkerUnavailable(
        f"the worker does not answer: {str(why) or type(why).__name__}",
        hint="try again in a few seconds; on the host, see whether `oc-host serve` runs",
        retryable=True,
    )


def problem(status: int, body: bytes) -> OpenComputerError:
    """The worker's error as ours, word for word."""
    try:
        envelope = msgspec.json.decode(body, type=Envelope)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Failed(f"the worker answered {status} {HTTPStatus(status).phrase}")
    kind = BY_CODE.get(envelope.code) or BY_STATUS.get(status, Failed)
    details = {} if envelope.details is None else {"details": envelope.details}
    return kind(envelope.error, hint=envelope.hint, **details)


class Worker:
    """Control calls make a connection each: it costs 0.1 ms, and none can meet one that a worker left half-closed.

    Relayed calls share a pool.
    """

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._control = httpx.AsyncHTTPTransport(
            uds=str(socket), limits=httpx.Limits(max_connections=None, max_keepalive_connections=0)
        )
        self._pool = httpx.AsyncHTTPTransport(
            uds=str(socket),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=IDLE_S),
        )
        self._host: tuple[float, Host] | None = None

    async def ensure(self, spec: Spec) -> Observed:
        """Returns when the sandbox answers. Raises WorkerUnavailable and what the worker says."""
        limit_s = ENSURE_S if isinstance(spec.origin, Image) else SAVE_S
        return await self._ask("PUT", f"/sandboxes/{spec.id}", Observed, limit_s, msgspec.json.encode(spec))

    async def govern(self, policy: Policy) -> None:
        """What a sandbox may send from now on, whether it is there yet or not. Raises NotSupported."""
        await self._call("PUT", f"/sandboxes/{policy.sandbox}/egress", LOOK_S, msgspec.json.encode(policy))

    async def release(self, id: str) -> None:
        """It may send what it likes."""
        await self._call("DELETE", f"/sandboxes/{id}/egress", LOOK_S)

    async def violations(self, id: str) -> list[Violation]:
        """What it has tried to send and was refused, newest first."""
        return await self._ask("GET", f"/sandboxes/{id}/violations", list[Violation], LOOK_S)

    async def remove(self, id: str) -> None:
        """Returns when nothing of it is left; fine when there was nothing."""
        try:
            await self._call("DELETE", f"/sandboxes/{id}", REMOVE_S)
        except NotFound:
            return  # what was asked for

    async def sandboxes(self) -> list[Observed]:
        return await self._ask("GET", "/sandboxes", list[Observed], LOOK_S)

    async def sandbox(self, id: str) -> Observed:
        """Raises NotFound when the worker has none of that name."""
        return await self._ask("GET", f"/sandboxes/{id}", Observed, LOOK_S)

    async def statistics(self) -> list[Used]:
        """Of sandboxes that run."""
        return await self._ask("GET", "/statistics", list[Used], LOOK_S)

    async def freeze(self, id: str) -> Observed:
        return await self._ask("POST", f"/sandboxes/{id}/freeze", Observed, FREEZE_S)

    async def hibernate(self, id: str, artifact: str) -> Artifact:
        """Returns when the sandbox has left the host. Asked again with the same artifact it answers the same."""
        return await self._save(id, "hibernate", Artifact, {"artifact": artifact})

    async def checkpoint(self, id: str, artifact: str, memory: bool) -> Artifact:
        """Returns when the artifact is whole on the host. Asked again it answers the same."""
        return await self._save(id, "checkpoint", Artifact, {"artifact": artifact, "memory": memory})

    async def restore(self, id: str, artifact: str, memory: bool) -> Observed:
        """Returns when the sandbox runs again; when it fails, the sandbox is as it was."""
        return await self._save(id, "restore", Observed, {"artifact": artifact, "memory": memory})

    async def reboot(self, id: str) -> Observed:
        return await self._ask("POST", f"/sandboxes/{id}/reboot", Observed, REBOOT_S)

    async def resize(self, id: str, cpus: float, memory_mb: int) -> Observed:
        """Asked again it answers the same. Raises BelowUse, NotSupported and Unavailable; it is as it was then."""
        body = msgspec.json.encode({"cpus": cpus, "memory_mb": memory_mb})
        return await self._ask("POST", f"/sandboxes/{id}/resize", Observed, RESIZE_S, body)

    async def scale_requests(self) -> list[ScaleRequest]:
        """What programs in sandboxes wait for."""
        return await self._ask("GET", "/scale-requests", list[ScaleRequest], LOOK_S)

    async def settle_scale_request(self, id: str, status: int, body: dict[str, Any]) -> None:
        """What the program is to be answered."""
        outcome = msgspec.json.encode({"status": status, "body": body})
        await self._call("POST", f"/scale-requests/{id}", LOOK_S, outcome)

    async def run(self, id: str, script: str, timeout_s: int) -> Ran:
        """A script for bash. The worker ends it at its timeout (contract 2.2.1)."""
        body = msgspec.json.encode({"cmd": "bash", "args": ["-c", script], "timeout": timeout_s})
        return await self._ask("POST", f"/sandboxes/{id}/exec/run", Ran, timeout_s + LOOK_S, body)

    async def exec_sessions(self, id: str) -> list[bodies.ExecSession]:
        """The oldest first (contract 2.3.2)."""
        return await self._ask("GET", f"/sandboxes/{id}/exec", list[bodies.ExecSession], LOOK_S)

    async def list_files(self, id: str, path: str) -> list[bodies.FileEntry]:
        """By name. Raises NotFound, BadRequest for what is no directory, TooLarge for one of very many entries."""
        where = f"/sandboxes/{id}/files/list?{urlencode({'path': path})}"
        return await self._ask("GET", where, list[bodies.FileEntry], FILES_S)

    async def open_file(self, id: str, path: str) -> httpx.Response:
        """Its bytes are still to be read, and the answer to be closed. Raises NotFound, also for a directory."""
        where = f"{BASE}/sandboxes/{id}/files?{urlencode({'path': path})}"
        response = await self.relay(httpx.Request("GET", where, extensions={"timeout": UNLIMITED}))
        if response.status_code < 400:
            return response
        async with aclosing(response):
            raise problem(response.status_code, await response.aread())

    async def artifacts(self) -> list[Artifact]:
        """Those that the host has; what is only in the blob store is not among them."""
        return await self._ask("GET", "/artifacts", list[Artifact], LOOK_S)

    async def artifact(self, id: str) -> Artifact:
        """Raises NotFound when the host has none of that name, also when the blob store has it."""
        return await self._ask("GET", f"/artifacts/{id}", Artifact, LOOK_S)

    async def delete_artifact(self, id: str) -> None:
        """From the host and from the blob store; fine when there was none."""
        try:
            await self._call("DELETE", f"/artifacts/{id}", REMOVE_S)
        except NotFound:
            return  # what was asked for

    async def host(self, *, most_s: float = HOST_KEPT_S) -> Host:
        """The size of the host, and what was free of it at most `most_s` ago."""
        if self._host is None or time.monotonic() - self._host[0] > most_s:
            self._host = time.monotonic(), await self._ask("GET", "/host", Host, LOOK_S)
        return self._host[1]

    async def check(self) -> None:
        """Raises WorkerUnavailable when it does not answer, Unavailable while it is not ready for new sandboxes."""
        health = await self._ask("GET", "/health", Health, LOOK_S)
        if health.status != "ok":
            raise Unavailable(f"the worker is {health.status}: {health.detail}")

    async def relay(self, request: httpx.Request) -> httpx.Response:
        """The answer may be a problem; its body has not been read. Raises WorkerUnavailable, and BadRequest."""
        try:
            return await self._pool.handle_async_request(request)
        except httpx.LocalProtocolError as error:  # our parser lets headers pass that this library will not send
            raise BadRequest(f"the request is not valid HTTP: {error}") from error
        except httpx.TransportError as error:
            raise unavailable(error) from error

    async def close(self) -> None:
        await self._control.aclose()
        await self._pool.aclose()

    async def _save(self, id: str, what: str, kind: type[T], body: dict[str, Any]) -> T:
        return await self._ask("POST", f"/sandboxes/{id}/{what}", kind, SAVE_S, msgspec.json.encode(body))

    async def _ask(
        self, method: Literal["GET", "PUT", "POST"], path: str, kind: type[T], limit_s: float, body: Any = None
    ) -> T:
        answer = await self._call(method, path, limit_s, body)
        try:
            return msgspec.json.decode(answer, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Failed(f"the worker's answer to {method} {path} makes no sense: {error}") from error

    async def _call(self, method: str, path: str, limit_s: float, body: bytes | None = None) -> bytes:
        extensions = {"timeout": httpx.Timeout(limit_s, connect=CONNECT_S).as_dict()}
        headers = {} if body is None else {"Content-Type": "application/json"}
        request = httpx.Request(method, BASE + path, content=body, headers=headers, extensions=extensions)
        try:
            response = await self._control.handle_async_request(request)
            try:
                answer = await response.aread()
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            raise unavailable(error) from error
        if response.status_code >= 400:
            raise problem(response.status_code, answer)
        return answer
