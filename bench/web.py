"""Runs in a sandbox: an HTTP server that does next to nothing, so that what is measured is the way to it.

`GET /` is 1 KiB; `GET /N` is N MB. Only the standard library, and nothing of this repository, is there.
"""

from __future__ import annotations

import asyncio
import sys

SMALL = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n" + b"x" * 1024
MB = bytes(1 << 20)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            size = head.split(b" ", 2)[1].strip(b"/")
            if not size:
                writer.write(SMALL)
                continue
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (int(size) << 20))
            for _ in range(int(size)):
                writer.write(MB)
                await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        writer.close()  # the client has gone


async def main(port: int) -> None:
    server = await asyncio.start_server(serve, "0.0.0.0", port)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
