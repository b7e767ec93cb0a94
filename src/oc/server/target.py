"""What of a client's request goes on to the worker: all but its credentials and what belongs to one connection."""

from __future__ import annotations

from urllib.parse import unquote_plus

from starlette.requests import HTTPConnection

from oc.api.calls import Call

Headers = list[tuple[bytes, bytes]]
HOP_BY_HOP = frozenset(  # RFC 9110, 7.6.1; `Expect` is answered by our own server
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    b"upgrade expect host".split()
)
CREDENTIALS = frozenset((b"x-api-key", b"authorization", b"cookie"))
SECRET_QUERY = frozenset(("api_key", "token"))
OURS = frozenset((b"date", b"server"))  # of the worker's answer: our server writes its own


def target(connection: HTTPConnection, call: Call) -> str:
    """Path and query. Path parameters have been matched against their formats, so the path is what it looks like."""
    query = _query(connection.scope["query_string"].decode("latin-1"))
    return call.path.format(**connection.path_params) + (f"?{query}" if query else "")


def _query(query: str) -> str:
    """As it was written, but for credentials."""
    parts = (part for part in query.split("&") if part)
    return "&".join(part for part in parts if unquote_plus(part.partition("=")[0]) not in SECRET_QUERY)


def forwarded(headers: Headers, request_id: str) -> Headers:
    dropped = HOP_BY_HOP | CREDENTIALS | _named(headers) | {b"x-request-id"}
    kept = [(name, value) for name, value in headers if name not in dropped]
    return [(b"host", b"worker"), *kept, (b"x-request-id", request_id.encode())]


def returned(headers: Headers) -> Headers:
    dropped = HOP_BY_HOP | OURS | _named(headers)
    return [(name.lower(), value) for name, value in headers if name.lower() not in dropped]


def _named(headers: Headers) -> frozenset[bytes]:
    """Headers that `Connection` says are of this hop only."""
    values = [value for name, value in headers if name.lower() == b"connection"]
    return frozenset(word.strip().lower() for value in values for word in value.split(b","))
