"""WebSockets, message by message but without keeping one: placeholders swapped on the way out, values redacted back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import wsproto.connection
import wsproto.events
from mitmproxy import http
from mitmproxy.connection import Connection
from mitmproxy.proxy import commands, context, events, layer
from mitmproxy.proxy.layers.websocket import WebsocketConnection

from oc.egress.replace import Stream, Words

Message = wsproto.events.Message[Any]
WRITABLE = (wsproto.connection.ConnectionState.OPEN, wsproto.connection.ConnectionState.REMOTE_CLOSING)
WORDS = "oc.web_socket"  # in a flow's metadata: a Both


@dataclass(frozen=True)
class Both:
    out: Words
    back: Words


@dataclass
class Side:
    protocol: WebsocketConnection
    changes: Stream  # of what comes from this side


class WebSocket(layer.Layer):
    def __init__(self, context: context.Context, flow: http.HTTPFlow) -> None:
        super().__init__(context)
        words = flow.metadata.get(WORDS, Both(Words({}), Words({})))
        kinds = wsproto.ConnectionType
        client, server = self.context.client, self.context.server
        self.sides: dict[Connection, Side] = {
            client: Side(WebsocketConnection(kinds.SERVER, [], conn=client), Stream(words.out)),
            server: Side(WebsocketConnection(kinds.CLIENT, [], conn=server), Stream(words.back)),
        }
        self.ended = False

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if self.ended or not isinstance(event, events.DataReceived | events.ConnectionClosed):
            return
        source = self.sides[event.connection]
        source.protocol.receive_data(event.data if isinstance(event, events.DataReceived) else None)
        target = next(side for side in self.sides.values() if side is not source)
        for frame in source.protocol.events():
            yield from self.relay(source, target, frame)

    def relay(self, source: Side, target: Side, frame: wsproto.events.Event) -> layer.CommandGenerator[None]:
        if isinstance(frame, wsproto.events.Message):
            yield from self.relay_message(source, target, frame)
        elif isinstance(frame, wsproto.events.CloseConnection):
            self.ended = True
            for side in (source, target):
                if side.protocol.state in WRITABLE:
                    yield side.protocol.send2(frame)
                yield commands.CloseConnection(side.protocol.conn)
        elif isinstance(frame, wsproto.events.Ping | wsproto.events.Pong):
            yield target.protocol.send2(frame)

    def relay_message(self, source: Side, target: Side, frame: Message) -> layer.CommandGenerator[None]:
        text = isinstance(frame.data, str)
        data = source.changes.feed(frame.data.encode() if text else bytes(frame.data))
        if frame.message_finished:
            data += source.changes.finish()
        elif not data:
            return
        yield target.protocol.send2(message(data, frame, text))


def message(data: bytes, frame: Message, text: bool) -> Message:
    if text:
        return wsproto.events.TextMessage(data.decode(errors="replace"), message_finished=frame.message_finished)
    return wsproto.events.BytesMessage(data, message_finished=frame.message_finished)
