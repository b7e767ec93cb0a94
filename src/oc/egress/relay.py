"""What is inside intercepted TLS and is not HTTP: passed on as it is; what comes back passes the redactor."""

from __future__ import annotations

from mitmproxy.proxy import commands, context, events, layer
from mitmproxy.proxy.layers import TCPLayer

from oc.egress.replace import Stream, Words


class Relay(TCPLayer):
    def __init__(self, context: context.Context, back: Words) -> None:
        super().__init__(context, ignore=True)
        self.back = Stream(back)

    def relay_messages(self, event: events.Event) -> layer.CommandGenerator[None]:
        if not isinstance(event, events.ConnectionEvent) or event.connection == self.context.client:
            yield from super().relay_messages(event)
            return
        piece = self.back.feed(event.data) if isinstance(event, events.DataReceived) else self.back.finish()
        if piece:
            yield commands.SendData(self.context.client, piece)
        if isinstance(event, events.ConnectionClosed):
            yield from super().relay_messages(event)
