"""How the server asks its worker for a way to a port in a sandbox, over the Unix socket `tunnel_socket`.

The server says `SANDBOX PORT\\n`. The worker answers `ok\\n`, and from then on bytes go both ways as they are; or it
answers one line of JSON, the error envelope of contract 1.5, and closes.

Each direction ends by itself (`shutdown`). A connection that is closed without that has broken off: what came last may
be cut short. Readers see the end of the stream either way, and tell one from the other by `hung_up`. So nobody closes
before the other side has closed, or has ended too and had LINGER_S to see our end.
"""

from __future__ import annotations

import re
import select

OK = b"ok\n"
MAX_REQUEST = 32  # bytes
MAX_ANSWER = 4 << 10
OPEN_S = 10.0  # longest that it takes from the request to the answer
LINGER_S = 1.0
REFUSED = "connection_refused"  # code of the answer when nothing listens on the port

_REQUEST = re.compile(rb"(sb-[0-9a-f]{8}) ([1-9][0-9]{0,4})\n")
_LAST_PORT = 65535


def request(sandbox: str, port: int) -> bytes:
    return f"{sandbox} {port}\n".encode()


def parse(line: bytes) -> tuple[str, int] | None:
    """Sandbox and port; None when the line is not a request."""
    match = _REQUEST.fullmatch(line)
    return (match[1].decode(), int(match[2])) if match and int(match[2]) <= _LAST_PORT else None


def hung_up(fd: int) -> bool:
    """The other end of a Unix socket has been closed, and not only shut down for writing (poll(2), POLLHUP)."""
    poll = select.poll()
    poll.register(fd, 0)
    return any(events & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, events in poll.poll(0))
