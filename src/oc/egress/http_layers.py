"""mitmproxy's HTTP layers with what they leave open: bounds, back-pressure, early refusals, correct framing.

mitmproxy makes its layers by the names in its own module, so ours are put there once (`install`); the version is fixed
by the lock, and the tests notice when it changes.
"""

from __future__ import annotations

import re
from typing import Any

import h11
from h11._readers import ChunkedReader
from mitmproxy import http
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import http as theirs
from mitmproxy.proxy.layers import websocket
from mitmproxy.proxy.layers.http import _base, _events, _http1

from oc.egress import limits
from oc.egress.flow_control import Client2, Server2, Takers, unquoted
from oc.egress.web_socket import WebSocket

REFUSED = "oc.refused"  # in a flow's metadata: why an answer was not passed on
INFORMATIONAL = re.compile(rb"HTTP/1\.[01] 1(?!01)[0-9][0-9][ \r\n]")


class Bounded(_http1.Http1Connection):
    """Nothing that is not passed on at once may grow: heads, chunk headers, requests sent ahead."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from super()._handle_event(event)
        if len(self.buf) > limits.HEAD:
            self.buf.maybe_extract_at_most(len(self.buf))
            yield from self.overflow()

    def overflow(self) -> layer.CommandGenerator[None]:
        self.state = self.done
        yield commands.CloseConnection(self.conn)
        if self.stream_id is not None and self.request:
            yield _base.ReceiveHttp(self.ReceiveProtocolError(self.stream_id, "the head is too long"))

    def done(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        self.buf.maybe_extract_at_most(len(self.buf))
        yield from super().done(event)


class Untrailed(ChunkedReader):
    """HTTP/1 trailers are dropped, as RFC 9110 6.5.1 lets one: mitmproxy cannot pass them on."""

    def __call__(self, buffer: Any) -> Any:
        event = super().__call__(buffer)
        return h11.EndOfMessage() if isinstance(event, h11.EndOfMessage) else event


class Server1(Bounded, _http1.Http1Server):
    def send(self, event: _base.HttpEvent) -> layer.CommandGenerator[None]:
        yield from super().send(unquoted(event))

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        """Empty lines before a request are nothing (RFC 9112 2.2)."""
        while bytes(self.buf).startswith((b"\n", b"\r\n")):
            self.buf.maybe_extract_lines()
        yield from super().read_headers(event)


class Client1(Bounded, _http1.Http1Client):
    def send(self, event: _base.HttpEvent) -> layer.CommandGenerator[None]:
        """HTTP/2 ends a body without telling its length; HTTP/1 needs chunks then."""
        if isinstance(event, _events.RequestHeaders) and event.request.is_http2 and has_no_length(event):
            event.request = event.request.copy()
            event.request.headers["transfer-encoding"] = "chunked"
        yield from super().send(event)

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        """100 and 103 are not the answer; 101 is (RFC 9110 15.2)."""
        while INFORMATIONAL.match(bytes(self.buf)[:16]):
            if self.buf.maybe_extract_lines() is None:
                return
        if self.buf or not isinstance(event, events.DataReceived):
            yield from super().read_headers(event)


def has_no_length(event: _events.RequestHeaders) -> bool:
    return not event.end_stream and "content-length" not in event.request.headers


class Stream(theirs.HttpStream):
    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        """An empty DATA frame is nothing; to what changes bodies it would be the end."""
        if not (isinstance(event, _events.RequestData | _events.ResponseData) and not event.data):
            yield from super()._handle_event(event)

    def state_wait_for_request_headers(self, event: _events.RequestHeaders) -> layer.CommandGenerator[None]:
        """A refused request is answered now, whatever its body; the body is read and dropped."""
        yield from super().state_wait_for_request_headers(event)
        response = self.flow.response
        if response and response.raw_content and self.client_state == self.state_consume_request_body:
            self.client_state = self.server_state = self.state_errored
            yield theirs.SendHttp(_events.ResponseHeaders(self.stream_id, response, False), self.context.client)
            yield theirs.SendHttp(_events.ResponseData(self.stream_id, response.raw_content), self.context.client)
            yield theirs.SendHttp(_events.ResponseEndOfMessage(self.stream_id), self.context.client)
            self.flow.live = False
            yield theirs.DropStream(self.stream_id)

    def state_wait_for_response_headers(self, event: _events.ResponseHeaders) -> layer.CommandGenerator[None]:
        """An answer that must not be passed on becomes a 502 with the reason, and the server is told to stop."""
        for command in super().state_wait_for_response_headers(event):
            reason = self.flow.metadata.get(REFUSED)
            if reason and isinstance(command, theirs.SendHttp):
                failed = _events.ResponseProtocolError(self.stream_id, reason, 502)
                yield theirs.SendHttp(failed, self.context.client)
                stop = _events.RequestProtocolError(self.stream_id, reason, 502)
                yield theirs.SendHttp(stop, self.context.server)
                yield theirs.DropStream(self.stream_id)
            else:
                yield command


class Http(theirs.HttpLayer):
    """All requests of one connection of a sandbox."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, theirs.HTTPMode.transparent)

    def make_stream(self, stream_id: int) -> layer.CommandGenerator[None]:
        self.streams[stream_id] = Stream(self.context.fork(), stream_id)
        yield from self.event_to_child(self.streams[stream_id], events.Start())

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from super()._handle_event(event)
        takers = Takers(self.streams, self.connections, self.context.client)
        for outer, release in takers.releasable():
            yield from self.event_to_child(outer, release)


def install() -> None:
    vars(theirs).update(Http1Server=Server1, Http1Client=Client1, Http2Server=Server2, Http2Client=Client2)
    vars(_http1).update(ChunkedReader=Untrailed)
    vars(websocket).update(WebsocketLayer=WebSocket)


def refuse(flow: http.HTTPFlow, status: int, text: str) -> None:
    """Instead of passing the request on."""
    flow.response = http.Response.make(status, text + "\n", {"content-type": "text/plain; charset=utf-8"})
