"""One connection of a sandbox whose HTTP is read: mitmproxy's layers over our sockets."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Iterator
from typing import Any, cast

from mitmproxy.connection import ConnectionState, Server
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events, layer, server
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import ClientTLSLayer, ServerTLSLayer
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.proxy.tunnel import LayerStack

from oc.egress import limits, log
from oc.egress.http_layers import Http
from oc.egress.rules import Rules
from oc.egress.streams import Reader, Upstream

TRANSPARENT = ProxyMode.parse("transparent")


class Handler(server.LiveConnectionHandler):
    def __init__(
        self,
        reader: Reader,
        writer: asyncio.StreamWriter,
        upstream: Upstream | None,
        port: int,
        rules: Rules,
        options: Options,
        tls_addon: Any,
    ) -> None:
        super().__init__(cast(asyncio.StreamReader, reader), writer, options, TRANSPARENT)
        context = self.layer.context
        context.server.address = (rules.destination.host if upstream is None else str(upstream.address), port)
        context.server.sni = rules.destination.host
        self.addons = (tls_addon, rules)  # rules has the last word: the addon decides to connect to servers, too
        self.timeout_watchdog.timeout = limits.HTTP_IDLE
        self.started = asyncio.Event()
        self.moved = asyncio.Event()
        if upstream:
            self.adopt(context.server, upstream)
        self.layer = tls_layers(context) if rules.secure else Http(context)

    def adopt(self, connection: Server, upstream: Upstream) -> None:
        """The connection to the server was made before, to an address that was checked."""
        connection.state = ConnectionState.OPEN
        connection.timestamp_start = time.time()
        connection.peername = upstream.writer.get_extra_info("peername")[:2]
        connection.sockname = upstream.writer.get_extra_info("sockname")[:2]
        task = asyncio.create_task(self.serve_upstream(connection))
        reader = cast(asyncio.StreamReader, upstream.reader)
        self.transports[connection] = server.ConnectionIO(task, reader, upstream.writer)

    async def serve_upstream(self, connection: Server) -> None:
        await self.started.wait()
        await self.handle_connection(connection)

    async def handle_hook(self, hook: commands.StartHook) -> None:
        with self.timeout_watchdog.disarm():
            (data,) = hook.args()
            for addon in self.addons:
                if called := getattr(addon, hook.name, None):
                    called(data)

    async def server_event(self, event: events.Event) -> None:
        await super().server_event(event)
        self.moved.set()
        self.started.set()

    async def drain_writers(self) -> None:
        """Before the reader that calls goes on, what it caused must have left.

        Its own connection is not waited for, unless it does not read our answers at all: a server that stops reading
        until we have read what it wrote would wait for ever.
        """
        mine = asyncio.current_task()
        for transport in list(self.transports.values()):
            if transport.handler is not mine or unread(transport) > limits.REPLY_BUFFER:
                await self.drain(transport)
        while sum(len(waiting) for waiting in queues(self.layer)) > limits.QUEUED_EVENTS:
            self.moved.clear()
            await self.moved.wait()

    async def drain(self, transport: server.ConnectionIO) -> None:
        if transport.writer is None:  # the connection is being made
            return
        try:
            await transport.writer.drain()
        except OSError:
            if transport.handler:
                transport.handler.cancel("it cannot be written to")

    def cut(self) -> None:
        transport = self.transports.get(self.client)
        if transport and transport.handler:
            transport.handler.cancel("cut")

    def log(self, message: str, level: int = logging.INFO, exc_info: Any = None) -> None:
        """mitmproxy's messages quote traffic: dropped. After a fault in a layer nothing would ever move again: cut."""
        if level >= logging.ERROR:
            kind, _, trace = sys.exc_info() if exc_info is True else exc_info or (None, None, None)
            log.write("error", "connection failed", error=kind.__name__ if kind else "", at=log.place(trace))
            self.cut()


def tls_layers(context: Context) -> layer.Layer:
    stack = LayerStack() / ServerTLSLayer(context) / ClientTLSLayer(context)
    return stack[0]


def unread(transport: server.ConnectionIO) -> int:
    writer = cast(asyncio.StreamWriter, transport.writer)
    return writer.transport.get_write_buffer_size()


def queues(outer: layer.Layer | None) -> Iterator[Any]:
    """Events that layers keep while something (a connection to the server) is awaited."""
    while outer is not None:
        yield outer._paused_event_queue
        if isinstance(outer, layer.NextLayer):
            yield outer.events
            outer = outer.layer
        elif isinstance(outer, Http):
            for inner in (*outer.streams.values(), *outer.connections.values()):
                yield from queues(inner)
            return
        else:
            outer = getattr(outer, "child_layer", None)
