"""DNS for sandboxes: passes their questions to the host's own name servers, which they cannot reach themselves, or to
those of the settings.

Only to those servers: what the host's /etc/hosts says stays there. Everything is bounded, as clients are hostile: the
rate by the firewall, the rest here. Questions beyond a bound are dropped, as a full network would.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Coroutine
from ipaddress import IPv4Address, IPv4Network, ip_address
from pathlib import Path
from typing import Any, Protocol

from oc.model.errors import Unavailable
from oc.worker import dns

PORT = 53
IP_FREEBIND = 15  # ip(7): the address is on the cables only, and there may be none yet
RESOLV_CONF = Path("/etc/resolv.conf")
SYSTEMD_RESOLV_CONF = Path("/run/systemd/resolve/resolv.conf")
SYSTEMD_STUB = "127.0.0.53"  # answers from /etc/hosts; the servers behind it are in the other file (resolved.conf(5))
LARGEST_QUERY = 4096
LARGEST_ANSWER = 65535
PENDING = 1024
PENDING_PER_CLIENT = 64
CONNECTIONS_PER_CLIENT = 8
UPSTREAM_S = 3.0
IDLE_S = 10.0

Server = tuple[str, int]

log = logging.getLogger(__name__)


def host_servers() -> list[Server]:
    """The host's name servers, read at every question: the file changes when the network does."""
    servers = _servers(RESOLV_CONF)
    if servers == [SYSTEMD_STUB] and SYSTEMD_RESOLV_CONF.exists():
        servers = _servers(SYSTEMD_RESOLV_CONF)
    return [(server, PORT) for server in servers]


def servers(text: str) -> Callable[[], list[Server]]:
    """`dns` of the settings."""
    given = [(server, PORT) for server in text.split(",") if server]
    return (lambda: given) if given else host_servers


def _servers(path: Path) -> list[str]:
    """resolv.conf(5): `nameserver ADDRESS`, at most three; none means the local machine."""
    lines = (line.split() for line in path.read_text(errors="replace").splitlines())
    found = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver" and _is_address(words[1])]
    return found[:3] or ["127.0.0.1"]


def _is_address(text: str) -> bool:
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


class Screen(Protocol):
    """What some clients may not ask."""

    def before(self, client: str, query: dns.Query) -> bytes | None:
        """An answer in place of the name servers'; None: they are to be asked."""
        ...

    def after(self, client: str, query: dns.Query, answer: bytes) -> None:
        """What is about to be answered."""
        ...


class Resolver:
    """Listens on one address, UDP and TCP, and answers clients of one network only."""

    def __init__(
        self,
        address: str,
        clients: IPv4Network,
        *,
        port: int = PORT,
        servers: Callable[[], list[Server]] = host_servers,
        screen: Screen | None = None,
    ) -> None:
        self.listens = address, port
        self._clients = clients
        self._servers = servers
        self._screen = screen
        self._pending: Counter[str] = Counter()
        self._connections: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None

    async def start(self) -> None:
        """Raises Unavailable when the port is taken, OSError. Started already: nothing."""
        if self._udp is not None:
            return
        loop = asyncio.get_running_loop()
        udp = self._bound(socket.SOCK_DGRAM)
        self.listens = udp.getsockname()
        try:
            tcp = self._bound(socket.SOCK_STREAM)
        except BaseException:
            udp.close()
            raise
        self._datagrams = _Datagrams(self._datagram)
        self._udp, _ = await loop.create_datagram_endpoint(lambda: self._datagrams, sock=udp)
        self._tcp = await asyncio.start_server(self._connection, sock=tcp, limit=LARGEST_ANSWER)

    def _bound(self, kind: socket.SocketKind) -> socket.socket:
        sock = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK)
        try:
            sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
            if kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(self.listens)
        except OSError as error:
            sock.close()
            if error.errno != errno.EADDRINUSE:
                raise
            raise Unavailable(
                f"cannot answer DNS on {self.listens[0]}:{self.listens[1]}: another program has that port",
                hint="a DNS server of this host should listen on chosen addresses, not on all",
            ) from error
        return sock

    async def stop(self) -> None:
        """Ends everything, questions that are under way too."""
        if self._udp is None or self._tcp is None:
            return
        self._udp.close()
        self._tcp.close()
        await self._datagrams.closed.wait()  # only then is the port free
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._tcp.wait_closed()
        self._udp = self._tcp = None

    def _datagram(self, message: bytes, client: Server) -> None:
        if len(message) <= LARGEST_QUERY and self._admits(client[0]):
            task = asyncio.get_running_loop().create_task(self._answer_datagram(message, client))
            self._track(task, self._pending, client[0])

    def _admits(self, client: str) -> bool:
        return (
            IPv4Address(client) in self._clients
            and self._pending[client] < PENDING_PER_CLIENT
            and self._pending.total() < PENDING
        )

    async def _answer_datagram(self, message: bytes, client: Server) -> None:
        answer = await self._answer(client[0], message, _ask_by_datagram)
        if answer is not None and self._udp is not None:
            self._udp.sendto(answer, client)

    async def _answer(self, client: str, message: bytes, ask: _Ask) -> bytes | None:
        """None: what came is not worth an answer."""
        try:
            query = dns.parse(message)
        except ValueError:
            return None
        if self._screen is not None and (answer := self._screen.before(client, query)) is not None:
            return answer
        answer = await self._from_servers(query, ask)
        if self._screen is not None:
            self._screen.after(client, query, answer)
        return answer

    async def _from_servers(self, query: dns.Query, ask: _Ask) -> bytes:
        for server in self._servers():
            id = secrets.randbelow(1 << 16)
            try:
                async with asyncio.timeout(UPSTREAM_S):
                    return query.answer(await ask(query, id, server))
            except (OSError, TimeoutError, EOFError, ValueError) as error:
                log.debug("name server %s did not answer: %s", server[0], error)
        return query.failed()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection; asyncio runs this in a task of its own."""
        task = asyncio.current_task()
        client = writer.get_extra_info("peername")[0]
        refused = IPv4Address(client) not in self._clients or self._connections[client] >= CONNECTIONS_PER_CLIENT
        if refused or task is None:
            writer.close()
            return
        self._track(task, self._connections, client)
        try:
            while await self._converse(client, reader, writer):
                pass
        except (OSError, TimeoutError, EOFError, ValueError) as error:
            log.debug("DNS connection of %s ended: %s", client, error)
        finally:
            writer.close()

    async def _converse(self, client: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One question and its answer; false when there is none."""
        async with asyncio.timeout(IDLE_S):
            message = await _read(reader, LARGEST_QUERY)
        answer = await self._answer(client, message, _ask_by_stream)
        if answer is None:
            return False
        async with asyncio.timeout(IDLE_S):
            writer.write(_framed(answer))
            await writer.drain()
        return True

    def _track(self, task: asyncio.Task[None], counter: Counter[str], client: str) -> None:
        """Counts a task against its client's bound until it is done."""
        counter[client] += 1
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            counter[client] -= 1
            if not counter[client]:
                del counter[client]

        task.add_done_callback(done)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, Server], None]) -> None:
        self._received = received
        self.closed = asyncio.Event()

    def datagram_received(self, data: bytes, addr: Server) -> None:
        self._received(data, addr)

    def error_received(self, exc: Exception) -> None:
        log.debug("an answer could not be delivered: %s", exc)  # its client has gone

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()


_Ask = Callable[[dns.Query, int, Server], Coroutine[Any, Any, bytes]]


async def _ask_by_datagram(query: dns.Query, id: int, server: Server) -> bytes:
    """A new socket for each question: its random port is, with the id, what a forged answer would have to guess."""
    loop = asyncio.get_running_loop()
    with socket.socket(_family(server), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        sock.connect(server)
        await loop.sock_sendall(sock, query.with_id(id))
        while True:
            answer = await loop.sock_recv(sock, LARGEST_ANSWER)
            if query.answered_by(answer, id):
                return answer


async def _ask_by_stream(query: dns.Query, id: int, server: Server) -> bytes:
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(_framed(query.with_id(id)))
        answer = await _read(reader, LARGEST_ANSWER)
    finally:
        writer.close()
    if not query.answered_by(answer, id):
        raise EOFError("answered something else")
    return answer


def _family(server: Server) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in server[0] else socket.AF_INET


async def _read(reader: asyncio.StreamReader, largest: int) -> bytes:
    """One message of a stream, after its length (RFC 1035, 4.2.2)."""
    size = int.from_bytes(await reader.readexactly(2), "big")
    if size > largest:
        raise ValueError(f"a message of {size} bytes")
    return await reader.readexactly(size)


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message
