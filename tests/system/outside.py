"""The outside, played by the tests: machines at the other end of a cable, their names, and all that reaches them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import shutil
import socket
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

import websockets.asyncio.server
from websockets.asyncio.server import ServerConnection

from oc.host import link, netns
from oc.worker import dns, resolver
from tests.integration.egress.certificates import Authority
from tests.integration.egress.origin import Reader, Request, Writer, answer, echo, read_head

NAME = "ocoutside"
GATEWAY, CORP, EVIL = "198.51.100.253", "198.51.100.254", "198.51.100.252"  # RFC 5737; both filters let them pass
PRIVATE = "10.98.0.2"
HTTP, HTTPS, WEB_SOCKET, ECHO, SPEAKER = 80, 443, 8443, 5555, 2525
NAMES = {
    "*.corp.example": CORP,
    "corp.example": CORP,
    "evil.example": EVIL,
    "*.evil.example": EVIL,
    "tenant.shared.example": CORP,  # another customer of the same machine
    "private.corp.example": PRIVATE,
}
GREETING = b"220 speaks first\r\n"
MEGABYTE = 1 << 20
PIECE = bytes(range(256)) * 256
ETH_P_IP = b"\x08\x00"
ETH_P_ALL = 0x0300  # in network order, as packet(7) takes it
LARGEST_FRAME = 2048  # of what is kept of one
DEADLINE_S = 60


@dataclass
class Seen:
    """One request that has reached a server."""

    at: str  # the server's address
    request: Request

    @property
    def path(self) -> str:
        return self.request.line.split()[1].decode()

    def header(self, name: str) -> str:
        return (self.request.header(name) or b"").decode()

    def basic(self) -> str:
        """User and password of Basic credentials."""
        return base64.b64decode(self.header("authorization").split()[1]).decode()


class Tap:
    """Every packet that arrives, also those that no program there would see."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.frames: list[bytes] = []

    def read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while frame := self.socket.recv(LARGEST_FRAME):
                self.frames.append(frame)

    def has(self, mark: bytes) -> bool:
        return any(mark in frame for frame in self.frames)

    def sent_to(self, address: str) -> list[bytes]:
        """IPv4 packets (Ethernet and IP heads of the usual lengths)."""
        wanted = socket.inet_aton(address)
        return [frame for frame in self.frames if frame[12:14] == ETH_P_IP and frame[30:34] == wanted]


@dataclass
class Outside:
    """`start` and `close` bracket its life. Servers run in one thread; what tests read of them only grows."""

    directory: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="outside-")))
    names: dict[str, str | Callable[[], str]] = field(default_factory=lambda: dict(NAMES))
    asked: list[str] = field(default_factory=list)  # names, in lower case, that came to the name server
    seen: list[Seen] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)  # first bytes of plain connections
    messages: list[str] = field(default_factory=list)  # of WebSockets

    def __post_init__(self) -> None:
        self.directory.chmod(0o755)  # the proxy's user reads the authority
        self.authority = Authority(self.directory)
        self.authority.file.chmod(0o644)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="outside")
        self.servers: list[Any] = []  # with close()

    @property
    def settings(self) -> dict[str, str]:
        """Of a stack that has this outside."""
        return {"dns": CORP, "egress_upstream_ca": str(self.authority.file)}

    def start(self) -> None:
        link.disconnect(NAME)
        self.path = netns.create(NAME)
        link.connect(link.Cable(NAME, NAME, self.path, GATEWAY, CORP, 30, 1500))
        for address in (EVIL, PRIVATE):
            ip("-n", NAME, "addr", "add", f"{address}/32", "dev", "eth0")
            ip("route", "add", f"{address}/32", "dev", NAME, "src", GATEWAY)
        self.thread.start()
        self.run(self._serve())

    def close(self) -> None:
        if self.thread.is_alive():
            self.run(self._end())
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join()
        self.loop.close()
        link.disconnect(NAME)
        netns.remove(NAME)
        shutil.rmtree(self.directory)

    def run(self, work: Any) -> Any:
        """In the servers' thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(DEADLINE_S)

    async def _end(self) -> None:
        await asyncio.gather(*(closed(server) for server in self.servers))
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.loop.shutdown_default_executor()

    async def _serve(self) -> None:
        names = [name for name in NAMES if name != "private.corp.example"]
        context = self.authority.server(*names)
        for address in (CORP, EVIL, PRIVATE):
            for port, secure in ((HTTP, None), (HTTPS, context)):
                await self._listen(address, port, self._web(address), ssl=secure)
            await self._listen(address, ECHO, self._echo)
            await self._listen(address, SPEAKER, self._speak)
        sock = self.bound(CORP, WEB_SOCKET)
        self.servers.append(await websockets.asyncio.server.serve(self._web_socket, sock=sock, ssl=context))
        await self._listen(CORP, resolver.PORT, self._name_stream)
        udp = self.bound(CORP, resolver.PORT, socket.SOCK_DGRAM)
        self.servers.append((await self.loop.create_datagram_endpoint(lambda: _Names(self), sock=udp))[0])

    def bound(self, address: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """A socket in the namespace."""

        def make() -> socket.socket:
            sock = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address, port))
            return sock

        return netns.inside(self.path, make)

    async def _listen(
        self, address: str, port: int, script: Callable[[Reader, Writer], Awaitable[None]], ssl: Any = None
    ) -> None:
        async def serve(reader: Reader, writer: Writer) -> None:
            try:
                await script(reader, writer)
            except (OSError, EOFError, ValueError, asyncio.CancelledError):
                pass  # the client is gone or speaks something else, or the tests are over
            finally:
                writer.transport.abort()

        made = await asyncio.start_server(serve, sock=self.bound(address, port), ssl=ssl, backlog=512)
        self.servers.append(made)

    @contextlib.contextmanager
    def tap(self) -> Iterator[Tap]:
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK
        made = Tap(netns.inside(self.path, lambda: socket.socket(socket.AF_PACKET, kind, ETH_P_ALL)))
        self.loop.call_soon_threadsafe(self.loop.add_reader, made.socket, made.read)
        try:
            yield made
        finally:
            self.run(self._untap(made))

    async def _untap(self, tap: Tap) -> None:
        self.loop.remove_reader(tap.socket)
        tap.socket.close()

    # --- web

    def _web(self, address: str) -> Callable[[Reader, Writer], Awaitable[None]]:
        async def converse(reader: Reader, writer: Writer) -> None:
            while True:
                await self._request(address, reader, writer)

        return converse

    async def _request(self, address: str, reader: Reader, writer: Writer) -> None:
        line, headers = await read_head(reader)
        request = Request(line, headers, b"")
        kind, _, rest = unquote(line.split()[1].decode()).removeprefix("/").partition("/")
        if kind == "take":
            writer.write(answer(await taken(request, reader)))
        else:
            request.body = await reader.readexactly(int(request.header("content-length") or 0))
            self.seen.append(Seen(address, request))
            await self.answer(kind, rest, request, writer)
        await writer.drain()

    async def answer(self, kind: str, rest: str, request: Request, writer: Writer) -> None:
        """/big/N: N megabytes; /to/URL: a redirect; /hold: an answer without an end; /git/...: a repository."""
        if kind == "big":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (int(rest) * MEGABYTE))
            for _ in range(int(rest) * MEGABYTE // len(PIECE)):
                writer.write(PIECE)
                await writer.drain()
        elif kind == "to":
            writer.write(answer(b"", b"Location: " + rest.encode(), status=b"302 Found"))
        elif kind == "hold":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nheld\n")
            await asyncio.Event().wait()
        elif kind == "git":
            writer.write(self.git(rest.partition("?")[0], request))
        else:
            writer.write(echo(request))

    def git(self, path: str, request: Request) -> bytes:
        """The "dumb" protocol (gitprotocol-http(5)): files, for who has credentials."""
        if request.header("authorization") is None:
            return answer(b"", b'WWW-Authenticate: Basic realm="tests"', status=b"401 Unauthorized")
        file = self.directory / "git" / path
        if not file.is_file():
            return answer(b"", status=b"404 Not Found")
        return answer(file.read_bytes())

    def repository(self) -> None:
        """One with one commit, at /git/repository.git."""
        work, bare = self.directory / "work", self.directory / "git" / "repository.git"
        who = ["-c", "user.name=tests", "-c", "user.email=tests@corp.example"]
        for argv in (
            ["init", "-q", work],
            ["-C", work, *who, "commit", "-q", "--allow-empty", "-m", "first of the tests"],
            ["clone", "-q", "--bare", work, bare],
            ["-C", bare, "update-server-info"],
        ):
            subprocess.run(["git", *map(str, argv)], check=True)

    def requests(self, path: str) -> list[Seen]:
        return [seen for seen in list(self.seen) if seen.path == path]

    def only(self, path: str) -> Seen:
        (seen,) = self.requests(path)
        return seen

    # --- other protocols

    async def _echo(self, reader: Reader, writer: Writer) -> None:
        while data := await reader.read(65536):
            self.raw.append(data[:LARGEST_FRAME])
            writer.write(data)
            await writer.drain()

    async def _speak(self, reader: Reader, writer: Writer) -> None:
        writer.write(GREETING)
        await self._echo(reader, writer)

    async def _web_socket(self, connection: ServerConnection) -> None:
        async for message in connection:
            self.messages.append(str(message))
            await connection.send(message)

    # --- names

    async def named(self, query: bytes) -> bytes | None:
        """The answer: of NAMES, else of the host's name servers, which know where packages are."""
        try:
            parsed = dns.parse(query)
        except ValueError:
            return None
        self.asked.append(parsed.name)
        found = self.names.get(parsed.name) or self.names.get(f"*.{parsed.name.partition('.')[2]}")
        if found is not None:
            return _answered(parsed, found() if callable(found) else found)
        if parsed.name.endswith(".example"):
            return _answered(parsed, None)
        return await asyncio.to_thread(_forwarded, query)

    async def _name_stream(self, reader: Reader, writer: Writer) -> None:
        while True:
            query = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
            said = await self.named(query) or b""
            writer.write(len(said).to_bytes(2, "big") + said)


class _Names(asyncio.DatagramProtocol):
    def __init__(self, outside: Outside) -> None:
        self.outside = outside
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)  # asyncio's is one in all but name

    def datagram_received(self, data: bytes, addr: Any) -> None:
        task = asyncio.get_running_loop().create_task(self.answer(data, addr))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def answer(self, data: bytes, addr: Any) -> None:
        if (said := await self.outside.named(data)) is not None:
            self.transport.sendto(said, addr)


def _answered(query: dns.Query, address: str | None) -> bytes:
    """With one A record that nobody may keep, or with none."""
    if address is None or query.type != dns.TYPE_A:
        return query.nothing()
    record = b"\xc0\x0c" + dns.RECORD.pack(dns.TYPE_A, dns.CLASS_IN, 0, 4) + socket.inet_aton(address)
    empty = query.nothing()
    return empty[:6] + (1).to_bytes(2, "big") + empty[8:] + record


def _forwarded(query: bytes) -> bytes | None:
    for server in resolver.host_servers():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(3)
            try:
                sock.sendto(query, server)
                return sock.recv(65535)
            except OSError:
                continue
    return None


async def taken(request: Request, reader: Reader) -> bytes:
    """SHA-256 and length of a body, which is not kept."""
    digest, length = hashlib.sha256(), int(request.header("content-length") or -1)
    if length < 0:
        request.body = (await read_chunked(reader, digest)).to_bytes(8, "big")
        return f"{digest.hexdigest()} {int.from_bytes(request.body, 'big')}".encode()
    left = length
    while left:
        piece = await reader.read(min(left, 65536))
        if not piece:
            raise EOFError
        digest.update(piece)
        left -= len(piece)
    return f"{digest.hexdigest()} {length}".encode()


async def read_chunked(reader: Reader, digest: Any) -> int:
    total = 0
    while size := int((await reader.readline()).split(b";")[0], 16):
        digest.update(await reader.readexactly(size))
        await reader.readexactly(2)
        total += size
    await reader.readline()
    return total


async def closed(server: Any) -> None:
    server.close()
    if isinstance(server, websockets.asyncio.server.Server):
        await server.wait_closed()


def ip(*argv: str) -> None:
    subprocess.run(["ip", *argv], check=True)


def mark() -> str:
    """A word that nothing else has."""
    return uuid.uuid4().hex
