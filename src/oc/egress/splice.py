"""Two connections as one, byte for byte; what comes back may pass a redactor."""

from __future__ import annotations

import asyncio
import time

from oc.egress import limits
from oc.egress.replace import Stream
from oc.egress.streams import Reader, Upstream, close


class Splice:
    def __init__(
        self, client: Reader, writer: asyncio.StreamWriter, upstream: Upstream, redactor: Stream | None
    ) -> None:
        self.client = client
        self.writer = writer
        self.upstream = upstream
        self.redactor = redactor
        self.last = time.monotonic()

    async def run(self) -> None:
        """Until both directions ended. Raises OSError if one failed or nothing moved for long.

        Closes the server's side only.
        """
        tasks = [asyncio.create_task(way) for way in (self.both(), self.watch())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
            await close(self.upstream.writer)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.upstream.writer.transport.abort()

    async def both(self) -> None:
        ways = [asyncio.create_task(way) for way in (self.up(), self.down())]
        try:
            await asyncio.gather(*ways)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def up(self) -> None:
        while piece := await self.client.read():
            await self.pass_on(self.upstream.writer, piece)
        self.upstream.writer.write_eof()

    async def down(self) -> None:
        while piece := await self.upstream.reader.read():
            await self.pass_on(self.writer, self.redactor.feed(piece) if self.redactor else piece)
        if self.redactor:
            self.writer.write(self.redactor.finish())
        self.writer.write_eof()

    async def pass_on(self, writer: asyncio.StreamWriter, piece: bytes) -> None:
        self.last = time.monotonic()
        writer.write(piece)
        await writer.drain()

    async def watch(self) -> None:
        idle = 0.0
        while idle < limits.RAW_IDLE:
            await asyncio.sleep(limits.RAW_IDLE - idle)
            idle = time.monotonic() - self.last
        raise TimeoutError
