"""Where a request comes from."""

from __future__ import annotations

from ipaddress import ip_address

from starlette.requests import HTTPConnection

from oc.store.setup_code import is_loopback


def address(connection: HTTPConnection) -> str:
    """Who asks: the peer, or what a proxy on this host says of its own peer. Earlier hops may be made up."""
    peer = connection.client.host if connection.client else ""
    last = connection.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return last if is_loopback(peer) and is_address(last) else peer


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text
