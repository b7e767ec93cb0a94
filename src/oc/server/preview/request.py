"""A client's request as it goes on to a server in a sandbox: parsed once by our own server, and written anew.

Of headers that say where a request came from, only those of a proxy on this host are believed (a peer on a loopback
address: Caddy with certificates, say). From all others they are replaced, so that no visitor can pretend to be somebody
else. Who can connect from this host's loopback may: they have an account here already.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address

from starlette.types import Scope

from oc.server.preview.fields import CODING, CONNECTION, LENGTH, Fields, Malformed, check, framing, words
from oc.server.target import HOP_BY_HOP

FOR, PROTO, HOST = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"
OF_PROXIES = frozenset((FOR, PROTO, HOST, b"x-forwarded-port", b"x-forwarded-prefix", b"x-real-ip", b"forwarded"))
COOKIE = b"cookie"
OUR_COOKIES = frozenset((b"oc_session", b"__Host-oc_session"))
UNSAFE_TO_REPEAT = frozenset(("POST", "PATCH"))  # RFC 9110, 9.2.2: the other methods may be sent twice
REFUSED_METHODS = frozenset(("CONNECT", "TRACE"))
SPECIAL = HOP_BY_HOP | OF_PROXIES | {COOKIE, LENGTH}

_SCHEMES = {"http": b"http", "ws": b"http", "https": b"https", "wss": b"https"}
_TARGET = re.compile(rb"/[!-~]*")


class Outgoing:
    """`head` ends with the empty line. Raises Malformed when the request may be understood in two ways."""

    def __init__(self, scope: Scope, spent: frozenset[bytes], upgrade: bool = False) -> None:
        special: dict[bytes, list[bytes]] = {}
        kept: Fields = []
        for name, value in scope["headers"]:
            if name in SPECIAL:
                special.setdefault(name, []).append(value)
            elif name not in spent:
                kept.append((name, value))
        check(scope["headers"])
        self._special = special
        self.method: str = scope["method"]
        self.chunked = CODING in special
        self.body = self._frame(scope["http_version"])
        if upgrade and (self.body or self.method != "GET"):
            raise Malformed("an upgrade that is no WebSocket's")
        kept = self._without_named(kept)
        kept += self._cookies() if COOKIE in special else ()
        kept += self._origin(scope)
        kept += self._hop(upgrade)
        self.head = _write(self.method, _target(scope), special[b"host"][0], kept)

    @property
    def repeatable(self) -> bool:
        """Sent twice it does what it does once, and we could send it twice."""
        return not self.body and self.method not in UNSAFE_TO_REPEAT

    def _frame(self, version: str) -> bool:
        """Whether there is a body. Raises Malformed."""
        lengths, codings = self._special.get(LENGTH, []), self._special.get(CODING, [])
        framing(lengths, codings)
        if self.chunked and version == "1.0":  # RFC 9112, 6.1
            raise Malformed("Transfer-Encoding in HTTP/1.0")
        return self.chunked or (bool(lengths) and int(lengths[0]) > 0)

    def _without_named(self, fields: Fields) -> Fields:
        """Without those that `Connection` says are of the hop to us."""
        named = {word for value in self._special.get(CONNECTION, ()) for word in words(value)}
        named -= {b"keep-alive", b"close", b"upgrade"}
        return [field for field in fields if field[0] not in named] if named else fields

    def _cookies(self) -> Fields:
        """Without ours, which are not for code in sandboxes."""
        pairs = [pair for value in self._special[COOKIE] for pair in value.split(b";")]
        kept = [pair.strip() for pair in pairs if pair.partition(b"=")[0].strip() not in OUR_COOKIES]
        return [(COOKIE, b"; ".join(kept))] if kept else []

    def _origin(self, scope: Scope) -> Fields:
        peer, special = scope["client"], self._special
        if peer is None:  # it has gone already
            peer = ("unknown", 0)
        told = {name: special[name] for name in OF_PROXIES & special.keys()} if _is_local(peer[0]) else {}
        chain = [*told.pop(FOR, ()), peer[0].encode()]
        proto, host = told.pop(PROTO, [_SCHEMES[scope["scheme"]]]), told.pop(HOST, special[b"host"])
        rest = [(name, value) for name, values in told.items() for value in values]
        return [(FOR, b", ".join(chain)), (PROTO, proto[0]), (HOST, host[0]), *rest]

    def _hop(self, upgrade: bool) -> Fields:
        """What is of our own hop: how the body ends, and what the connection becomes."""
        if upgrade:
            return [(CONNECTION, b"Upgrade"), (b"upgrade", b"websocket")]
        if self.chunked:
            return [(CODING, b"chunked")]
        return [(LENGTH, value) for value in self._special.get(LENGTH, ())]


@lru_cache(1024)
def _is_local(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _target(scope: Scope) -> bytes:
    path, query = scope["raw_path"], scope["query_string"]
    target: bytes = path + b"?" + query if query else path
    if not _TARGET.fullmatch(target):
        raise Malformed("the request target is no path")
    return target


def _write(method: str, target: bytes, host: bytes, fields: Fields) -> bytes:
    lines = [b"%s %s HTTP/1.1\r\nhost: %s" % (method.encode(), target, host)]
    lines += [b"%s: %s" % field for field in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"
