"""The server's URL, taken apart, and a connection to it."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from oc.cli.errors import CliError, Unreachable

CONNECT_S = 10.0
PORTS = {"http": 80, "https": 443}
KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}  # seconds, seconds, probes: tcp(7)
START = "start one on this machine with `make up` (or `oc-host up`), or name another: oc config set api-url URL"


class Origin:
    """`path` is the base of the API (contract 0.1)."""

    def __init__(self, url: str) -> None:
        """Raises CliError for what is not an http or https URL."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise _bad(url, str(error)) from error
        if parts.scheme not in PORTS or not parts.hostname or not url.isascii() or not url.isprintable() or " " in url:
            raise _bad(url, "it must look like http://HOST:PORT")
        if parts.username is not None or parts.query or parts.fragment:
            raise _bad(url, "it must not hold a user, a query or a fragment")
        self.secure = parts.scheme == "https"
        self.host = parts.hostname
        self.port = port or PORTS[parts.scheme]
        self.authority = parts.netloc
        base = parts.path.rstrip("/")
        self.path = base if base.endswith("/api") else f"{base}/api"
        self.url = f"{parts.scheme}://{parts.netloc}{base}"

    def connect(self) -> socket.socket:
        """A blocking socket with a timeout of CONNECT_S. Raises Unreachable."""
        try:
            plain = self._connect()
            return self._protect(plain) if self.secure else plain
        except OSError as error:
            raise self.unreachable(error) from error

    def unreachable(self, error: OSError) -> Unreachable:
        why = "connection refused" if isinstance(error, ConnectionRefusedError) else (error.strerror or str(error))
        return Unreachable(f"cannot reach the server at {self.url}: {why}", hint=START)

    def _connect(self) -> socket.socket:
        # As bytes, the name does not make the interpreter load its tables for international names.
        addresses = socket.getaddrinfo(self.host.encode(), self.port, type=socket.SOCK_STREAM)
        failure: OSError | None = None
        for family, kind, protocol, _, address in addresses:
            stream = socket.socket(family, kind, protocol)
            try:
                _tune(stream)
                stream.connect(address)
            except OSError as error:
                stream.close()
                failure = error
            else:
                return stream
        raise failure or OSError("its name has no address")

    def _protect(self, plain: socket.socket) -> socket.socket:
        import ssl

        try:
            return ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
        except OSError:
            plain.close()
            raise


def _tune(stream: socket.socket) -> None:
    """Small frames leave at once; a peer that has vanished without a word is found out within a minute."""
    stream.settimeout(CONNECT_S)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):  # not every system has all three
            stream.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _bad(url: str, why: str) -> CliError:
    return CliError(f"the API URL {url!r} is not usable: {why}", hint="set it with: oc config set api-url URL")
