"""HTTP/2 windows that open only as fast as the other side takes what came.

mitmproxy opens windows of 2 GiB and buffers without bound what a slow HTTP/2 reader has no window for. Here data is
acknowledged when it was passed on, stream by stream, so that one slow stream stops its own writer and no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from mitmproxy.connection import Connection
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import _events, _http2, _http_h2

from oc.egress import limits

KEPT = ("OpenComputer", "Certificate verify failed")
Event = TypeVar("Event", bound=events.Event)
FRAME = 16384  # RFC 9113 6.5.2: the initial value of SETTINGS_MAX_FRAME_SIZE


def unquoted(event: Event) -> Event:
    """mitmproxy's error pages quote what a server sent, which may be a secret: what stands before the quote stays."""
    if isinstance(event, _events.ResponseProtocolError) and not event.message.startswith(KEPT):
        event.message = event.message.partition(":")[0][:100]
    return event


@dataclass
class Release(events.Event):
    """To an HTTP/2 connection: these streams may go on."""

    streams: list[int]


class Windowed(_http_h2.BufferedH2Connection):
    def __init__(self, config: object) -> None:
        super().__init__(config)
        self.local_settings.initial_window_size = limits.STREAM_WINDOW
        self.local_settings.max_frame_size = self.max_inbound_frame_size = FRAME
        self.local_settings.acknowledge()
        self.unacknowledged: dict[int, int] = {}

    def initiate_connection(self) -> None:
        super(_http_h2.BufferedH2Connection, self).initiate_connection()  # without its window of 2 GiB
        self.increment_flow_control_window(limits.CONNECTION_WINDOW - self.inbound_flow_control_window)

    def acknowledge_received_data(self, acknowledged_size: int, stream_id: int) -> None:
        self.unacknowledged[stream_id] = self.unacknowledged.get(stream_id, 0) + acknowledged_size

    def release(self, stream_id: int) -> None:
        super().acknowledge_received_data(self.unacknowledged.pop(stream_id, 0), stream_id)

    def backlog(self, stream_id: int) -> int:
        """Bytes that wait for the peer's window."""
        return sum(len(waiting.data) for waiting in self.stream_buffers.get(stream_id, ()))

    def send_data(self, stream_id: int, data: bytes, end_stream: bool = False, pad_length: None = None) -> None:
        """Small pieces that must wait are joined: a million of one byte would cost a hundred times their size."""
        waiting = self.stream_buffers.get(stream_id)
        if waiting and len(waiting[-1].data) + len(data) <= FRAME:
            waiting.append(_http_h2.SendH2Data(waiting.pop().data + data, end_stream))
        else:
            super().send_data(stream_id, data, end_stream)


class Releasing(_http2.Http2Connection):
    """Mixed into both sides of HTTP/2."""

    h2_conn: Windowed

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, Release):
            for stream_id in event.streams:
                self.h2_conn.release(stream_id)
            if data := self.h2_conn.data_to_send():
                yield commands.SendData(self.conn, data)
        else:
            yield from super()._handle_event(unquoted(event))


class Server2(Releasing, _http2.Http2Server):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.h2_conn = Windowed(self.h2_conf)


class Client2(Releasing, _http2.Http2Client):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.h2_conn = Windowed(self.h2_conf)
        self.h2_conn.local_settings.enable_push = 0
        self.h2_conn.local_settings.acknowledge()

    def waiting(self, client_stream: int) -> int:
        """Bytes of this stream of the client's connection that the server did not take yet."""
        if self.stream_queue.get(client_stream):
            return limits.STREAM_WINDOW
        return self.h2_conn.backlog(self.our_stream_id.get(client_stream, 0))


def innermost(outer: layer.Layer) -> layer.Layer:
    """Below TLS and what chooses the protocol."""
    while child := getattr(outer, "child_layer", None):
        outer = child
    return outer


@dataclass
class Takers:
    """Who takes what of one client's HTTP connection."""

    streams: Mapping[int, layer.Layer]
    connections: Mapping[Connection, layer.Layer]
    client: Connection

    def releasable(self) -> Iterator[tuple[layer.Layer, Release]]:
        for connection, outer in list(self.connections.items()):
            inner = innermost(outer)
            if isinstance(inner, Server2 | Client2) and inner.h2_conn.unacknowledged and connection.connected:
                ready = [stream for stream in inner.h2_conn.unacknowledged if self.passed_on(inner, stream)]
                if ready:
                    yield outer, Release(ready)

    def passed_on(self, source: Server2 | Client2, stream_id: int) -> bool:
        if isinstance(source, Server2):
            return self.taken_by_server(stream_id)
        client_stream = source.their_stream_id.get(stream_id, 0)
        return not self.paused(client_stream) and self.taken_by_client(client_stream)

    def paused(self, client_stream: int) -> bool:
        return client_stream in self.streams and self.streams[client_stream]._paused is not None

    def taken_by_client(self, client_stream: int) -> bool:
        inner = innermost(self.connections[self.client])
        return not isinstance(inner, Server2) or inner.h2_conn.backlog(client_stream) < limits.STREAM_BACKLOG

    def taken_by_server(self, client_stream: int) -> bool:
        stream = self.streams.get(client_stream)
        if stream is None:
            return True
        if stream._paused is not None:
            return False
        outer = self.connections.get(stream.context.server)
        inner = innermost(outer) if outer else None
        return not isinstance(inner, Client2) or inner.waiting(client_stream) < limits.STREAM_BACKLOG
