"""The metadata service: what programs in a sandbox may ask their host about it (contract 2.1.16).

Sandboxes find it at 169.254.169.254, port 80; the firewall leads them to the gateway's address. There is no key: who
asks is told by the address that the connection comes from, and by nothing that the request says.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import msgspec
import structlog
from msgspec import field

from oc.model.errors import BadRequest, MethodNotAllowed, NotFound, OpenComputerError, Unavailable
from oc.wire.messages import Stats
from oc.worker import metadata_http
from oc.worker.firewall import METADATA_PORT
from oc.worker.metadata_http import MAX_HEAD, Request
from oc.worker.supervisor import Supervisor

PATIENCE_S = 5.0  # for a whole request, for what it takes to answer most of them, and for the answer to be taken
CONNECTIONS = 16  # of one sandbox at once
MOST_MB, MOST_PERCENT = 1 << 30, 1 << 20  # no host has more; whether there is so much the server says
INTERNAL = {"error": "something went wrong; the worker's log has the details", "code": "internal"}

log = structlog.get_logger()


class Scale(msgspec.Struct, frozen=True, rename="camel"):
    memory_mb: Annotated[int, msgspec.Meta(gt=0, le=MOST_MB)] = field(name="memoryMB")
    cpu_percent: Annotated[float, msgspec.Meta(gt=0, le=MOST_PERCENT)] | None = None


Answer = tuple[int, Any]
Call = Callable[[str, str, bytes], Awaitable[Answer]]  # of a sandbox's id, its address, and the body


@asynccontextmanager
async def serving(supervisor: Supervisor) -> AsyncIterator[None]:
    """Nothing where the network cannot tell sandboxes apart. Raises Unavailable when the port is taken."""
    gateway = supervisor.parts.network.gateway
    if gateway is None:
        yield
        return
    service = Service(supervisor.parts.network.resident, Calls(supervisor).table)
    try:
        await service.start(gateway, METADATA_PORT)
    except OSError as error:
        raise Unavailable(f"cannot listen on {gateway}:{METADATA_PORT}: {error.strerror or error}") from error
    try:
        yield
    finally:
        await service.stop()


class Service:
    """`resident` says which sandbox has an address; the table, by method and path, what is done for it."""

    def __init__(self, resident: Callable[[str], str | None], table: dict[tuple[str, str], Call]) -> None:
        self._resident = resident
        self._table = table
        self._open: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """The port that it listens on."""
        self._server = await asyncio.start_server(self._accept, host, port, limit=MAX_HEAD)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("peername")[0]
        id = self._resident(address)
        if id is None or self._open[address] >= CONNECTIONS:
            writer.transport.abort()
            return
        self._open[address] += 1
        task = asyncio.create_task(self._serve(id, address, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(lambda ended: self._left(ended, address))

    def _left(self, task: asyncio.Task[None], address: str) -> None:
        self._tasks.discard(task)
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]

    async def _serve(self, id: str, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if (answer := await self._answer(id, address, reader)) is not None:
                writer.write(metadata_http.answer(*answer))
                await _taken(reader, writer)
        except (TimeoutError, ConnectionError):  # it does not listen, or has gone
            pass
        finally:
            writer.transport.abort()

    async def _answer(self, id: str, address: str, reader: asyncio.StreamReader) -> Answer | None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                request = await metadata_http.read(reader)
            return None if request is None else await self._call(request)(id, address, request.body)
        except OpenComputerError as error:
            return error.status, error.body()
        except (TimeoutError, ConnectionError):
            return None
        except Exception:  # whatever it is, it is no reason to let the others wait
            log.exception("metadata call failed", sandbox=id)
            return 500, INTERNAL

    def _call(self, request: Request) -> Call:
        if (request.method, request.path) in self._table:
            return self._table[request.method, request.path]
        if request.path in {path for _, path in self._table}:
            raise MethodNotAllowed(f"{request.method} {request.path[:100]}: method not allowed")
        raise NotFound(f"{request.path[:100]}: not found", hint=", ".join(sorted({path for _, path in self._table})))


async def _taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """To close what has not been read to its end would take the answer back (tcp(7): a reset)."""
    writer.write_eof()
    async with asyncio.timeout(PATIENCE_S):
        while await reader.read(MAX_HEAD):
            pass


class Calls:
    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self.table: dict[tuple[str, str], Call] = {
            ("GET", "/v1/status"): self.status,
            ("GET", "/v1/limits"): self.limits,
            ("GET", "/v1/metadata"): self.metadata,
            ("POST", "/v1/scale"): self.scale,
        }

    async def status(self, id: str, address: str, body: bytes) -> Answer:
        return 200, {"sandboxId": id, "uptime": (await self._statistics(id)).uptime_ms // 1000}

    async def limits(self, id: str, address: str, body: bytes) -> Answer:
        """Sizes in bytes. `cpuPercent` is what it may use; 100 is one CPU."""
        size = self._supervisor.spec(id).size
        statistics = await self._statistics(id)
        received, sent = self._supervisor.parts.network.traffic(address)
        return 200, {
            "cpuPercent": round(size.cpus * 100),
            "memUsage": statistics.memory_used,
            "memLimit": size.memory_mb << 20,
            "pids": statistics.processes,
            "netInput": received,
            "netOutput": sent,
        }

    async def metadata(self, id: str, address: str, body: bytes) -> Answer:
        return 200, {"region": self._supervisor.parts.region, "template": self._supervisor.spec(id).template}

    async def scale(self, id: str, address: str, body: bytes) -> Answer:
        try:
            wanted = msgspec.json.decode(body, type=Scale)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequest(
                f"the body cannot be read: {error}", hint='send {"memoryMB": N}, with cpuPercent or without'
            ) from error
        cpus = None if wanted.cpu_percent is None else wanted.cpu_percent / 100
        outcome = await self._supervisor.scale_requests.ask(id, wanted.memory_mb, cpus)
        return outcome.status, outcome.body

    async def _statistics(self, id: str) -> Stats:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await (await self._supervisor.link(id)).statistics()
        except TimeoutError as error:
            raise Unavailable("the sandbox is busy with something else", hint="try again in a few seconds") from error
