"""What a client speaks, by its first bytes.

A sandbox is hostile: what an ordinary server would still take as TLS or HTTP must not pass as "another protocol", where
names are not checked and nothing is redacted. What looks like either and cannot be read is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from mitmproxy.net.http import http1
from mitmproxy.proxy.layers.tls import parse_client_hello

from oc.egress import limits
from oc.egress.names import Address, authority, normal
from oc.egress.refusal import Reason, RefusedError


class Kind(Enum):
    TLS = auto()
    HTTP = auto()
    RAW = auto()


@dataclass(frozen=True)
class Opening:
    kind: Kind
    claimed: str | Address | None = None  # the host that the client says it means


# Records of TLS 1.0 and later (RFC 8446 5.1); servers skip an alert before the first handshake record.
TLS_RECORD = re.compile(rb"[\x14-\x18]\x03", re.DOTALL)
# A ClientHello in the format of SSL 2, which OpenSSL still takes from clients of TLS 1.2 (RFC 5246 E.2).
SSL2_HELLO = re.compile(rb"[\x80-\xff].\x01\x03", re.DOTALL)
# A request line, as far as it came. Servers skip empty lines before it (RFC 9112 2.2).
REQUEST_LINE = re.compile(rb"[\r\n]*([!#$%&'*+.^_`|~0-9A-Za-z-]+( [\x20-\x7e\x80-\xff]*)?)?\r?")
REQUEST = re.compile(rb"[\r\n]*[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^\n]* HTTP/[0-9.]+[ \t]*\r?\n")
LONGEST_LINE = 16 * 1024


def opening(data: bytes) -> Opening | None:
    """None: more must be read to tell. Raises RefusedError for what must not be guessed at."""
    if SSL2_HELLO.match(data) or (TLS_RECORD.match(data) and data[0] != 0x16):
        raise RefusedError(Reason.MALFORMED, "", "this is not how TLS begins")
    if data[:1] == b"\x16" and (len(data) < 2 or data[1] == 3):
        return tls_opening(data)
    if len(data) < 4 and data[0] >= 0x80:
        return None
    if not looks_like_request(data):
        return Opening(Kind.RAW)
    return http_opening(data) if b"\n" in data.lstrip(b"\r\n") else None


def looks_like_request(data: bytes) -> bool:
    """So far: a whole line must end with the version, a part of one may become a request."""
    line, newline, _ = data.lstrip(b"\r\n").partition(b"\n")
    if newline:
        return bool(REQUEST.match(line + newline))
    return bool(REQUEST_LINE.fullmatch(data)) and len(data) < LONGEST_LINE


def tls_opening(data: bytes) -> Opening | None:
    try:
        hello = parse_client_hello(data)
        claimed = normal(hello.sni) if hello and hello.sni else None
    except Exception as error:  # the parser is generated code and raises what it likes
        raise RefusedError(Reason.MALFORMED, "", "the TLS ClientHello cannot be read") from error
    if hello is None:
        if len(data) > limits.HELLO:
            raise RefusedError(Reason.MALFORMED, "", "the TLS ClientHello is too long")
        return None
    if claimed is None and any(kind == 0 for kind, _ in hello.extensions):
        raise RefusedError(Reason.MALFORMED, "", "the TLS server name cannot be read")
    return Opening(Kind.TLS, claimed)


def http_opening(data: bytes) -> Opening | None:
    head = data.lstrip(b"\r\n")
    end = re.search(rb"\n\r?\n", head)
    if end is None:
        if len(data) > limits.HEAD:
            raise RefusedError(Reason.MALFORMED, "", "the head of the request is too long")
        return None
    return Opening(Kind.HTTP, claimed_by(head[: end.end()]))


def claimed_by(head: bytes) -> str | Address | None:
    """The host of an HTTP/1 head: of its target in absolute form, and of Host."""
    try:
        request = http1.read_request_head([line.rstrip(b"\r") for line in head.rstrip(b"\r\n").split(b"\n")])
        named = {authority(text)[0] for text in (request.authority, *request.headers.get_all("host")) if text}
    except (ValueError, IndexError) as error:
        raise RefusedError(Reason.MALFORMED, "", "the head of the request cannot be read") from error
    if len(named) > 1:
        raise RefusedError(Reason.MISMATCH, " and ".join(sorted(map(str, named))), "one request names two hosts")
    return named.pop() if named else None
