"""HTTP/2 as a program, run with the proxy's own libraries (the environment of the tests has none for it).

http2.py serve CERTIFICATE HOST       an origin server; prints its port
http2.py ask PROXY SOURCE CA HOST PORT  a client: one stream that is not read, another that is; prints what it got
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import Any

import h2.config  # type: ignore[import-not-found]
import h2.connection  # type: ignore[import-not-found]
import h2.events  # type: ignore[import-not-found]

MEGABYTE = 1 << 20
Headers = list[tuple[str, str]]


class Peer:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, client: bool) -> None:
        self.reader = reader
        self.writer = writer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=client, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.window = asyncio.Event()
        self.flush()

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    async def events(self) -> Any:
        while data := await self.reader.read(65536):
            for event in self.h2.receive_data(data):
                self.window.set()
                yield event
            self.flush()

    async def send(self, stream: int, data: bytes) -> None:
        while data:
            size = min(self.h2.local_flow_control_window(stream), 16384, len(data))
            if size > 0:
                self.h2.send_data(stream, data[:size])
                data = data[size:]
                self.flush()
                await self.writer.drain()
            else:
                self.window.clear()
                await self.window.wait()


class Origin(Peer):
    """/echo gives back the request, /big/N N megabytes; all with a trailer that repeats the header x-trailer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer, client=False)
        self.requests: dict[int, tuple[Headers, bytearray]] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        async for event in self.events():
            if isinstance(event, h2.events.RequestReceived):
                self.requests[event.stream_id] = (event.headers, bytearray())
            elif isinstance(event, h2.events.DataReceived):
                self.requests[event.stream_id][1].extend(event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                task = asyncio.create_task(self.answer(event.stream_id))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)

    async def answer(self, stream: int) -> None:
        headers, body = self.requests.pop(stream)
        fields = dict(headers)
        self.h2.send_headers(stream, [(":status", "200")])
        _, kind, *size = fields[":path"].split("/")
        if kind == "big":
            for _ in range(int(size[0])):
                await self.send(stream, b"x" * MEGABYTE)
        else:
            text = "".join(f"{name}: {value}\n" for name, value in headers)
            await self.send(stream, text.encode() + bytes(body))
        self.h2.send_headers(stream, [("x-trailer", fields.get("x-trailer", ""))], end_stream=True)
        self.flush()


async def serve(certificate: str, host: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2"])
    server = await asyncio.start_server(lambda reader, writer: Origin(reader, writer).run(), host, 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def ask(proxy: str, source: str, ca: str, host: str, port: str) -> None:
    """Streams 1 and 3 ask for 50 MB and grant no window but the first; stream 5 must be answered all the same."""
    proxy_host, _, proxy_port = proxy.partition(":")
    reader, writer = await asyncio.open_connection(proxy_host, int(proxy_port), local_addr=(source, 0))
    writer.write(f"CONNECT {host}:{port} HTTP/1.1\r\n\r\n".encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols(["h2"])
    await writer.start_tls(context, server_hostname=host)
    peer = Peer(reader, writer, client=True)
    peer.h2.increment_flow_control_window(100 * MEGABYTE)  # of the connection: streams are held one by one
    names = [(":method", "GET"), (":scheme", "https"), (":authority", host)]
    for stream, path in ((1, "/big/50"), (3, "/big/50"), (5, "/echo")):
        peer.h2.send_headers(stream, [*names, (":path", path)], end_stream=True)
    peer.flush()
    got = dict.fromkeys((1, 3, 5), 0)
    async for event in peer.events():
        if isinstance(event, h2.events.DataReceived):
            got[event.stream_id] += len(event.data)
        if isinstance(event, h2.events.StreamEnded):
            break
    print(got[1], got[3], got[5], flush=True)
    await asyncio.to_thread(sys.stdin.read)  # holds the connection open while the test looks at the proxy


if __name__ == "__main__":
    verb, *arguments = sys.argv[1:]
    program: Any = {"serve": serve, "ask": ask}[verb]
    asyncio.run(program(*arguments))
