"""As much of HTTP/1.1 (RFC 9112) as a client of one server needs.

`http.client` would take longer to import than the whole of `oc` may take to start.
"""

from __future__ import annotations

from oc.cli.errors import Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

LONGEST_HEAD = 64 << 10
PIECE = 256 << 10
NO_BODY = (204, 304)


class Response:
    def __init__(self, status: int, headers: dict[str, str], reader: Reader) -> None:
        self.status = status
        self.headers = headers
        self._reader = reader

    def body(self) -> bytes:
        """Raises Unreachable when it does not come whole."""
        if self.status in NO_BODY:
            return b""
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            return b"".join(self._reader.chunks())
        if "content-length" in self.headers:
            return self._reader.exactly(_number(self.headers["content-length"], 10))
        return self._reader.everything()

    def rest(self) -> bytes:
        """What has been received after the head: the beginning of another protocol."""
        return self._reader.rest()


class Reader:
    """Takes bytes from a socket by their ends and lengths. `most`: how many there may be; 0: any number."""

    def __init__(self, stream: socket.socket, most: int = 0) -> None:
        self._stream = stream
        self._held = bytearray()
        self._most = most
        self._received = 0

    def until(self, end: bytes) -> bytes:
        """Up to LONGEST_HEAD bytes, without the end."""
        searched = 0
        while (at := self._held.find(end, searched)) < 0:
            if len(self._held) > LONGEST_HEAD:
                raise Unreachable("the server's answer is not HTTP: its head does not end")
            searched = max(0, len(self._held) - len(end) + 1)
            self._more()
        return self._take(at, at + len(end))

    def exactly(self, count: int) -> bytes:
        while len(self._held) < count:
            self._more()
        return self._take(count, count)

    def everything(self) -> bytes:
        while received := self._stream.recv(PIECE):
            self._keep(received)
        return self.rest()

    def chunks(self) -> list[bytes]:
        """RFC 9112, 7.1; what follows the last chunk is of no interest."""
        chunks = []
        while size := _number(self.until(b"\r\n").partition(b";")[0].decode("latin-1"), 16):
            chunks.append(self.exactly(size))
            self.exactly(2)
        return chunks

    def rest(self) -> bytes:
        return self._take(len(self._held), len(self._held))

    def _more(self) -> None:
        received = self._stream.recv(PIECE)
        if not received:
            raise Unreachable("the server closed the connection before it had answered")
        self._keep(received)

    def _keep(self, received: bytes) -> None:
        self._held += received
        self._received += len(received)
        if 0 < self._most < self._received:
            raise Unreachable("the server's answer is too long")

    def _take(self, end: int, after: int) -> bytes:
        taken = bytes(self._held[:end])
        del self._held[:after]
        return taken


def _number(text: str, base: int) -> int:
    try:
        return int(text.strip(), base)
    except ValueError as error:
        raise Unreachable(f"the server's answer is not HTTP: {text[:40]!r} is not a length") from error


def send(stream: socket.socket, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> None:
    """Raises OSError. Target and headers must be free of line ends: see `api.py`."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    stream.sendall("\r\n".join(lines).encode("latin-1") + body)


def receive(stream: socket.socket, most: int = 0) -> Response:
    """The head of an answer, which may be `most` bytes long with its body. Raises OSError, Unreachable."""
    reader = Reader(stream, most)
    while True:
        status, *lines = reader.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, _, rest = status.partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
            raise Unreachable(f"the server's answer is not HTTP: it begins with {status[:40]!r}")
        code = int(rest[:3])
        if code >= 200 or code == 101:  # others are news on the way to the answer (RFC 9110, 15.2)
            return Response(code, dict(_header(line) for line in lines), reader)


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()
