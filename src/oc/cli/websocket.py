"""A WebSocket connection (RFC 6455) on a socket that never blocks: the caller waits with `select`."""

from __future__ import annotations

import binascii
import os
import time

from oc.cli import frames, http
from oc.cli.api import failure
from oc.cli.errors import Unreachable
from oc.cli.frames import Closed, Decoder, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from oc.cli.api import Api

HANDSHAKE_S = 60.0  # waking what it attaches to may take this long (contract 2.1.7)
LINGER_S = 3.0
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


def connect(api: Api, target: str, headers: dict[str, str]) -> WebSocket:
    """Raises Unreachable, and ApiError when the server refuses the upgrade."""
    stream = api.origin.connect()
    try:
        stream.settimeout(HANDSHAKE_S)
        return WebSocket(stream, _upgrade(api, stream, target, headers))
    except OSError as error:
        stream.close()
        raise api.origin.unreachable(error) from error
    except BaseException:
        stream.close()
        raise


def _upgrade(api: Api, stream: socket.socket, target: str, headers: dict[str, str]) -> bytes:
    """The opening handshake. What has come after the answer is the beginning of the frames."""
    key = binascii.b2a_base64(os.urandom(16), newline=False)
    asked = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key.decode(),
    }
    http.send(stream, "GET", api.origin.path + target, api.headers() | headers | asked)
    expected = _accept(key)
    response = http.receive(stream)
    if response.status >= 400:
        raise failure(response.status, response.body(), api.origin.url)
    if response.status != 101 or response.headers.get("sec-websocket-accept") != expected:
        raise Unreachable(f"{api.origin.url} did not open a WebSocket: it answered with status {response.status}")
    return response.rest()


def _accept(key: bytes) -> str:
    import hashlib  # loads OpenSSL; by now the server is at work

    digest = hashlib.sha1(key + GUID, usedforsecurity=False).digest()
    return binascii.b2a_base64(digest, newline=False).decode()


class WebSocket:
    def __init__(self, stream: socket.socket, received: bytes) -> None:
        stream.setblocking(False)
        self._stream = stream
        self._decoder = Decoder(received)
        self._unsent = b""
        self._refused = False  # the server takes nothing more; what it has sent before can still be received

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def sending(self) -> bool:
        """Whether something waits for the socket to be writable."""
        return bool(self._unsent)

    @property
    def buffered(self) -> bool:
        """Whether TLS holds bytes that `select` does not know of."""
        pending = getattr(self._stream, "pending", None)
        return bool(pending and pending())

    def receive(self) -> Iterator[tuple[bool, bool, memoryview]]:
        """Pieces of binary messages that have come; see `Decoder.decode`. Raises Closed."""
        count = self._receive_into(self._decoder.space())
        yield from self._decoder.decode(max(0, count))
        while self._decoder.pings:
            self.send(self._decoder.pings.pop(0), frames.PONG)
        if not count:
            raise Closed(frames.LOST, "the connection was closed without a word")

    def _receive_into(self, space: memoryview) -> int:
        """-1 when nothing is there, 0 at the end."""
        try:
            return self._stream.recv_into(space)
        except BlockingIOError:
            return -1
        except OSError as error:
            if _waits(error):
                return -1
            raise Closed(frames.LOST, error.strerror or str(error)) from error

    def send(self, payload: bytes, opcode: int = frames.BINARY) -> None:
        self._unsent += encode(opcode, payload)
        self.flush()

    def flush(self) -> None:
        """Sends what the socket takes now. That the connection is lost shows in `receive`."""
        while self._unsent and not self._refused:
            try:
                self._unsent = self._unsent[self._stream.send(self._unsent) :]
            except BlockingIOError:
                return
            except OSError as error:
                if _waits(error):
                    return
                self._refused = True
        if self._refused:
            self._unsent = b""

    def close(self, *, heard: bool) -> None:
        """Says goodbye; with `heard`, waits a moment until the server has read that.

        To close a socket that has unread bytes resets the connection (RFC 2525, 2.17), and the goodbye may go with it.
        """
        try:
            self._stream.settimeout(LINGER_S)
            self._stream.sendall(self._unsent + encode(frames.CLOSE, frames.close_payload(frames.NORMAL)))
            deadline = time.monotonic() + LINGER_S
            while heard and self._stream.recv_into(bytearray(frames.BUFFER)) and time.monotonic() < deadline:
                continue
        except OSError:
            return  # the server has gone already, or does not listen: then it finds out without us
        finally:
            self._stream.close()

    def drop(self) -> None:
        self._stream.close()


def _waits(error: OSError) -> bool:
    """Whether TLS only wants to be asked again; looked up by name, for `ssl` is loaded for https alone."""
    return type(error).__name__ in {"SSLWantReadError", "SSLWantWriteError"}
