"""The server's side of its worker: typed calls over the worker's Unix socket (design 2)."""

from __future__ import annotations

import time
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx
import msgspec
from msgspec import field

from oc.model.errors import BY_CODE, BadRequest, Failed, NotFound, OpenComputerError, Unavailable
from oc.model.sandbox import Observed, Spec

T = TypeVar("T")
BASE = "http://worker"
CONNECT_S = 5.0
LOOK_S = 10.0  # longest that the worker may take to say what it has
ENSURE_S = 120.0
REMOVE_S = 60.0
HOST_KEPT_S = 30.0  # how long what is known of the host's size is good for
IDLE_S = 4.0  # below the 5 seconds after which the worker closes an idle connection, so that no request meets the close
UNLIMITED = httpx.Timeout(None, connect=CONNECT_S).as_dict()


class WorkerUnavailable(Unavailable):
    """The worker is away, or went away amid a call. All its calls may be repeated (contract 1.5)."""

    code = "worker_unavailable"


class Host(msgspec.Struct, frozen=True, rename="camel"):
    cpus: float
    memory_mb: int = field(name="memoryMB")


class Health(msgspec.Struct, frozen=True):
    status: str
    detail: str | None = None


class Envelope(msgspec.Struct, frozen=True):
    error: str
    code: str = ""
    hint: str | None = None


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
    return BY_CODE.get(envelope.code, Failed)(envelope.error, hint=envelope.hint)


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
        return await self._ask("PUT", f"/sandboxes/{spec.id}", Observed, ENSURE_S, msgspec.json.encode(spec))

    async def remove(self, id: str) -> None:
        """Returns when nothing of it is left; fine when there was nothing."""
        try:
            await self._call("DELETE", f"/sandboxes/{id}", REMOVE_S)
        except NotFound:
            return  # what was asked for

    async def sandboxes(self) -> list[Observed]:
        return await self._ask("GET", "/sandboxes", list[Observed], LOOK_S)

    async def host(self) -> Host:
        """The size of the host."""
        if self._host is None or time.monotonic() - self._host[0] > HOST_KEPT_S:
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

    async def _ask(
        self, method: Literal["GET", "PUT"], path: str, kind: type[T], limit_s: float, body: Any = None
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
