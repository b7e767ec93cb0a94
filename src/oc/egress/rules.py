"""What happens to the requests and answers of one connection: mitmproxy calls these hooks by their names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mitmproxy import http, tls
from mitmproxy.net.http.http1 import expected_http_body_size
from mitmproxy.proxy import layer, server_hooks

from oc.egress import decoding, first_bytes, limits, redact, swap
from oc.egress.http_layers import REFUSED, Http, refuse
from oc.egress.names import Address, authority
from oc.egress.policy import Policy, Secret
from oc.egress.refusal import Reason, RefusedError
from oc.egress.relay import Relay
from oc.egress.replace import Stream, Words
from oc.egress.route import still_open
from oc.egress.web_socket import WORDS, Both

LINE_BREAK = re.compile(rb"[\r\n\0]")
# Bodies of a known length above limits.WHOLE_BODY: of these types they are sent in chunks, so that placeholders in them
# can be swapped. Others (archives, images) keep their length, which many servers insist on, and are left alone.
TEXT = re.compile(
    r"text/|multipart/form-data|application/(x-www-form-urlencoded|graphql|([^;]*\+)?(json|xml))", re.ASCII
)
STATUS = {Reason.MISMATCH: 421, Reason.MALFORMED: 400, Reason.UNREACHABLE: 502, Reason.UNRESOLVED: 502}
BODY_WORDS = "oc.body"  # in a flow's metadata: what the request's body is changed by
Piecewise = Callable[[bytes], list[bytes]]


@dataclass
class Destination:
    """Where the connection goes, or why it goes nowhere."""

    name: str | None
    address: Address | None
    refusal: RefusedError | None = None

    @property
    def host(self) -> str:
        return self.name or str(self.address)


@dataclass
class Rules:
    policy: Callable[[], Policy | None]
    destination: Destination
    secure: bool  # TLS of the client ends here, and to the server it is checked
    report: Callable[[RefusedError], None]
    abort: Callable[[], None] = field(default=lambda: None)

    def now(self) -> Policy:
        """The policy, which still permits this connection. Raises RefusedError."""
        policy, to = self.policy(), self.destination
        if to.refusal:
            raise to.refusal
        if policy is None or to.address is None or not still_open(policy, to.name, to.address):
            raise RefusedError(Reason.HOST if policy else Reason.GONE, to.host)
        return policy

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Before any connection that a layer makes: to the address that was checked, or not at all."""
        to = self.destination
        if to.refusal or data.server.address is None or data.server.address[0] != str(to.address):
            data.server.error = "refused"

    # TLS and what is in it

    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        data.establish_server_tls_first = self.destination.refusal is None
        data.context.client.sni = self.destination.name or data.context.client.sni

    def next_layer(self, data: layer.NextLayer) -> None:
        """Inside TLS: HTTP as negotiated or by its looks, or something else."""
        if data.context.client.alpn in (b"h2", b"http/1.1") or self.destination.refusal:
            data.layer = Http(data.context)
        elif data.data_server():
            data.layer = self.relay(data)
        else:
            data.layer = self.by_looks(data)

    def by_looks(self, data: layer.NextLayer) -> layer.Layer | None:
        try:
            opening = first_bytes.opening(data.data_client())
        except RefusedError:
            return Http(data.context)  # answers what is wrong
        if opening is None:
            return None
        return Http(data.context) if opening.kind is first_bytes.Kind.HTTP else self.relay(data)

    def relay(self, data: layer.NextLayer) -> Relay:
        policy = self.policy()
        return Relay(data.context, redact.words(policy.secrets if policy else ()))

    # Requests

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        try:
            policy = self.now()
            check_head(flow.request)
            self.check_host(flow.request)
        except RefusedError as refusal:
            if refusal is not self.destination.refusal:  # that one was reported when it was found
                self.report(refusal)
            refuse(flow, STATUS.get(refusal.reason, 403), str(refusal))
            return
        flow.request.authority = flow.request.authority if flow.request.is_http2 else ""
        keep_upgrade(flow.request)
        flow.request.stream = True
        if policy.secrets:
            self.prepare(flow, policy)

    def check_host(self, request: http.Request) -> None:
        """The name of the connection is the name of the request: no hiding of one host behind another."""
        texts = [text for text in (request.authority, *request.headers.get_all("host")) if text]
        try:
            named = {authority(text)[0] for text in texts}
        except ValueError as error:
            raise RefusedError(Reason.MALFORMED, self.destination.host, "Host cannot be read") from error
        if not named and (request.http_version != "HTTP/1.0" or not self.secure):
            raise RefusedError(Reason.MALFORMED, self.destination.host, "the request has no Host")
        if named - {self.destination.name, self.destination.address}:
            raise RefusedError(Reason.MISMATCH, " and ".join(sorted(map(str, named))), f"not {self.destination.host}")
        if self.destination.name and named - {self.destination.name}:
            raise RefusedError(Reason.MISMATCH, self.destination.host, "Host is an address")

    def prepare(self, flow: http.HTTPFlow, policy: Policy) -> None:
        """Of a sandbox with secrets: the answer must be readable and whole, so that they are found in it."""
        headers = flow.request.headers
        headers["accept-encoding"] = "identity"
        for name in ("range", "if-range"):
            headers.pop(name, None)  # parts of a value in several answers
        secrets = policy.secrets_for(self.destination.host) if self.secure else []
        flow.metadata[WORDS] = Both(swap.message_words(secrets), redact.words(policy.secrets))
        if secrets:
            headers.fields = tuple((name, swap.header(value, secrets)) for name, value in headers.fields)
            self.prepare_body(flow, secrets)

    def prepare_body(self, flow: http.HTTPFlow, secrets: list[Secret]) -> None:
        request = flow.request
        words = swap.body_words(secrets, request.headers.get("content-type", ""))
        length = known_length(request)
        flow.metadata[BODY_WORDS] = words
        if length is not None and length <= limits.WHOLE_BODY:
            request.stream = False
        elif length is None or TEXT.match(request.headers.get("content-type", "").lower()):
            if request.headers.pop("content-length", None) and not request.is_http2:
                request.headers["transfer-encoding"] = "chunked"
            request.stream = piecewise(Stream(words))

    def request(self, flow: http.HTTPFlow) -> None:
        """The request is complete; unless it was streamed its body is here."""
        words = flow.metadata.get(BODY_WORDS)
        if words is not None and not flow.request.stream and flow.request.raw_content:
            set_body(flow.request, words.whole(flow.request.raw_content))
        if words is not None and flow.request.trailers:
            change_headers(flow.request.trailers, words)

    # Answers

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        response = flow.response
        if response is None:
            return
        response.stream = True
        try:
            check_answer(flow, response)
            if WORDS in flow.metadata:
                self.prepare_answer(flow, response, flow.metadata[WORDS].back)
        except ValueError as error:
            refusal = RefusedError(Reason.UNREADABLE, self.destination.host, str(error))
            self.report(refusal)
            flow.metadata[REFUSED] = str(refusal)
            flow.kill()

    def prepare_answer(self, flow: http.HTTPFlow, response: http.Response, back: Words) -> None:
        """Raises ValueError for an answer in which values could not be found."""
        change_headers(response.headers, back)
        response.data.reason = back.whole(response.data.reason)
        if flow.request.method == "HEAD" or response.status_code in (101, 204, 304):
            return
        encoding = response.headers.pop("content-encoding", "")
        decode = decoding.decoder(encoding)
        if decode is None:
            raise ValueError(f"Content-Encoding: {encoding[:20]}")
        length = known_length(response)
        if not encoding and length is not None and length <= limits.WHOLE_BODY:
            response.stream = False
            return
        response.headers.pop("content-length", None)
        if flow.client_conn.alpn != b"h2" and flow.request.http_version == "HTTP/1.1":
            response.headers["transfer-encoding"] = "chunked"
        response.stream = piecewise(Stream(back), self.guarded(decode))

    def guarded(self, decode: decoding.Decode) -> decoding.Decode:
        """In the middle of an answer nothing can be said any more: the connection is cut."""

        def safely(piece: bytes) -> bytes:
            try:
                return decode(piece)
            except ValueError as error:
                self.report(RefusedError(Reason.UNREADABLE, self.destination.host, str(error)))
                self.abort()
                return b""

        return safely

    def response(self, flow: http.HTTPFlow) -> None:
        """The answer is complete; unless it was streamed its body is here."""
        if WORDS not in flow.metadata or flow.response is None:
            return
        back: Words = flow.metadata[WORDS].back
        if not flow.response.stream and flow.response.raw_content:
            set_body(flow.response, back.whole(flow.response.raw_content))
        if flow.response.trailers:
            change_headers(flow.response.trailers, back)


def piecewise(stream: Stream, decode: decoding.Decode = lambda piece: piece) -> Piecewise:
    """As mitmproxy calls it: b"" is the end. Nothing must be [], because an empty chunk would end the body."""

    def change(piece: bytes) -> list[bytes]:
        out = stream.feed(decode(piece)) if piece else stream.feed(decode(b"")) + stream.finish()
        return [out] if out else []

    return change


def known_length(message: http.Message) -> int | None:
    text = message.headers.get("content-length")
    return int(text) if text is not None and text.isdecimal() else None


def set_body(message: http.Message, body: bytes) -> None:
    message.raw_content = body
    if "content-length" in message.headers:
        message.headers["content-length"] = str(len(body))


def change_headers(headers: http.Headers, words: Words) -> None:
    headers.fields = tuple((name, words.whole(value)) for name, value in headers.fields)


def check_head(request: http.Request) -> None:
    """mitmproxy checks names and lengths; HTTP/2 may carry line breaks in values, which would be lines in HTTP/1."""
    parts: Iterable[bytes] = (request.data.method, request.data.path, request.data.authority)
    values = [part for name, value in request.headers.fields for part in (name, value)]
    if any(LINE_BREAK.search(part) for part in (*parts, *values)):
        raise RefusedError(Reason.MALFORMED, "", "a line break inside a header")
    if request.http_version not in ("HTTP/1.0", "HTTP/1.1", "HTTP/2.0") or request.method in ("PRI", "CONNECT"):
        raise RefusedError(Reason.MALFORMED, "", f"{request.http_version} {request.method} is not spoken here")


def keep_upgrade(request: http.Request) -> None:
    """WebSockets only: in any other protocol nothing could be checked. RFC 9110 7.8 lets a proxy drop the header."""
    web_socket = request.headers.get("upgrade", "").lower() == "websocket"
    if not (web_socket and request.headers.get("sec-websocket-version") == "13"):
        for name in ("upgrade", "http2-settings"):
            request.headers.pop(name, None)
    request.headers.pop("sec-websocket-extensions", None)  # compressed messages could not be read


def check_answer(flow: http.HTTPFlow, response: http.Response) -> None:
    """Raises ValueError."""
    headers = response.headers
    if any(LINE_BREAK.search(part) for field in headers.fields for part in field):
        raise ValueError("a line break inside a header")
    if headers.get("transfer-encoding", "chunked").lower() not in ("chunked", "identity"):
        raise ValueError("Transfer-Encoding")
    upgraded = headers.get("upgrade", "").lower() == "websocket" and "upgrade" in flow.request.headers
    if response.status_code == 101 and not upgraded:
        raise ValueError("a change of protocol that was not asked for")
    expected_http_body_size(flow.request, response)
