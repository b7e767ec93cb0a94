"""Where sandboxes come in: the explicit port (HTTP CONNECT) and the transparent one (redirected connections)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mitmproxy.options import Options
from mitmproxy.platform import linux

from oc.egress import connect_request, limits, log, redact
from oc.egress.events import Events
from oc.egress.first_bytes import Kind, Opening, opening
from oc.egress.handler import Handler
from oc.egress.live import Connection, Live
from oc.egress.names import Address, numeric
from oc.egress.pins import Pins
from oc.egress.policy import Policies, Policy
from oc.egress.refusal import Reason, RefusedError
from oc.egress.replace import Stream
from oc.egress.resolver import Resolver
from oc.egress.route import Dialled, Route, Routes, still_open
from oc.egress.rules import Destination, Rules
from oc.egress.splice import Splice
from oc.egress.streams import Reader, Upstream, close, connect, keep_alive

# Not refused by anybody's policy, so nothing to report.
FAILURES = (Reason.UNRESOLVED, Reason.UNREACHABLE)
STATUS = {Reason.GONE: 407, Reason.CROWDED: 503, Reason.MALFORMED: 400, Reason.UNRESOLVED: 502, Reason.UNREACHABLE: 502}

Allowed = Callable[[], bool]


@dataclass
class Gate:
    policies: Policies
    pins: Pins
    resolver: Resolver
    events: Events
    live: Live
    options: Options
    tls: object  # mitmproxy's addon that makes certificates and checks those of servers

    async def check_for_ever(self) -> None:
        await self.live.check_for_ever(self.forget)

    def forget(self) -> None:
        self.policies.files.forget()
        self.pins.files.forget()

    async def explicit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Visit(self, Reader(reader), writer).run(Visit.by_connect)

    async def transparent(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Visit(self, Reader(reader), writer).run(Visit.redirected)


class Visit:
    """One connection of a sandbox, from its first byte to its end."""

    def __init__(self, gate: Gate, reader: Reader, writer: asyncio.StreamWriter) -> None:
        self.gate = gate
        self.reader = reader
        self.writer = writer
        self.source = str(numeric(writer.get_extra_info("peername")[0]))
        self.routes = Routes(self.source, gate.pins, gate.resolver)
        self.sandbox = ""
        self.port = 0

    async def run(self, way: Callable[[Visit, Connection], Awaitable[None]]) -> None:
        try:
            with self.gate.live.entry(self.source) as connection:
                if self.gate.live.flooded(self.source):
                    self.writer.transport.abort()
                    return
                keep_alive(self.writer)
                await way(self, connection)
        except RefusedError as refusal:
            self.report(refusal)
        except asyncio.CancelledError:  # cut: by a change of policy, or because the proxy ends
            self.writer.transport.abort()
            return
        except (OSError, EOFError):
            pass  # a side that leaves, or is silent for too long, is nothing to tell
        except Exception as error:
            # One connection fails, the proxy does not. Never the error's text: it may quote traffic.
            log.write("error", "connection failed", error=type(error).__name__, at=log.place(error.__traceback__))
        await close(self.writer)

    def report(self, refusal: RefusedError) -> None:
        if refusal.reason not in FAILURES:
            self.gate.events.refused(self.source, self.sandbox, self.port, refusal)

    def policy(self) -> Policy | None:
        return self.gate.policies.of(self.source)

    def known(self) -> Policy:
        """The policy of this sandbox, as it is now. Raises RefusedError."""
        policy = self.policy()
        if policy is None:
            raise RefusedError(Reason.GONE, "")
        self.sandbox = policy.sandbox
        if self.gate.live.crowded(self.source):
            raise RefusedError(Reason.CROWDED, "")
        return policy

    # The two ways in

    async def redirected(self, connection: Connection) -> None:
        address, self.port = linux.original_addr(self.writer.get_extra_info("socket"))
        self.known()
        await self.serve(connection, Dialled(numeric(address), self.port))

    async def by_connect(self, connection: Connection) -> None:
        try:
            self.known()
            asked = await connect_request.read(self.reader)
            self.port = asked.dialled.port
            await self.routes.raw(self.known(), asked.dialled)  # told now, in words; what comes inside is checked again
        except connect_request.NotConnectError:
            await self.answer(405, "OpenComputer egress: this proxy takes CONNECT, and http:// in absolute form")
        except RefusedError as refusal:
            self.report(refusal)
            await self.answer(STATUS.get(refusal.reason, 403), str(refusal))
        else:
            if asked.established:
                self.writer.write(connect_request.ESTABLISHED)
            await self.serve(connection, asked.dialled)

    async def answer(self, status: int, text: str) -> None:
        await connect_request.answer(self.reader, self.writer, status, text)

    # What is said inside

    async def serve(self, connection: Connection, dialled: Dialled) -> None:
        said = await self.opening(limits.GREETING)
        if said is None and (greeting := await self.greeting(dialled)):
            await self.splice(connection, *greeting)
            return
        said = said or await self.opening(limits.HEAD_SECONDS)
        if said is None:
            raise TimeoutError
        if said.kind is Kind.RAW:
            route = await self.routes.raw(self.known(), dialled)
            await self.splice(connection, route, await connect(route))
        else:
            await self.named(connection, dialled, said)

    async def opening(self, patience: float) -> Opening | None:
        """None: not one byte came in that time. Raises EOFError, RefusedError, TimeoutError."""
        if not self.reader.ahead:
            try:
                async with asyncio.timeout(patience):
                    await self.more()
            except TimeoutError:
                return None
        async with asyncio.timeout(limits.HEAD_SECONDS):
            while (said := opening(self.reader.ahead)) is None:
                await self.more()
        return said

    async def more(self) -> None:
        if not await self.reader.look_further():
            raise EOFError

    async def greeting(self, dialled: Dialled) -> tuple[Route, Upstream] | None:
        """The server, if it speaks before the client does. None: the client spoke, or only it may."""
        try:
            route = await self.routes.raw(self.known(), dialled)
            upstream = await connect(route)
        except RefusedError:
            return None  # TLS or HTTP may still be allowed there, once the client says which host it means
        ways = [asyncio.create_task(self.reader.look_further()), asyncio.create_task(upstream.reader.look_further())]
        try:
            async with asyncio.timeout(limits.HTTP_IDLE):
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if upstream.reader.ahead:
                return route, upstream
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            if not upstream.reader.ahead:
                upstream.writer.transport.abort()
        return None

    async def named(self, connection: Connection, dialled: Dialled, said: Opening) -> None:
        policy = self.known()
        read = said.kind is Kind.HTTP or bool(policy.secrets)
        try:
            route = await self.routes.named(policy, dialled, said.claimed)
            upstream = await connect(route)
        except RefusedError as refusal:
            if not read:
                raise
            self.report(refusal)
            shown = said.claimed or dialled.target
            await self.handle(connection, said, Destination(str(shown), None, refusal), None)
            return
        if read:
            await self.handle(connection, said, Destination(route.name, upstream.address), upstream)
        else:
            await self.splice(connection, route, upstream)

    async def splice(self, connection: Connection, route: Route, upstream: Upstream) -> None:
        policy = self.known()
        connection.allowed = self.unchanged(policy, route.name, upstream.address)
        redactor = Stream(redact.words(policy.secrets)) if policy.secrets else None
        await Splice(self.reader, self.writer, upstream, redactor).run()

    async def handle(
        self, connection: Connection, said: Opening, destination: Destination, upstream: Upstream | None
    ) -> None:
        rules = Rules(self.policy, destination, said.kind is Kind.TLS, self.report)
        handler = Handler(self.reader, self.writer, upstream, self.port, rules, self.gate.options, self.gate.tls)
        rules.abort = connection.cut = handler.cut
        if destination.address:
            connection.allowed = self.unchanged(self.known(), destination.name, destination.address)
        await handler.handle_client()

    def unchanged(self, policy: Policy, name: str | None, address: Address) -> Allowed:
        """Whether the policy of then still lets this be, and treats it in the same way (with secrets, or without)."""

        def check() -> bool:
            now = self.policy()
            return now is not None and bool(now.secrets) == bool(policy.secrets) and still_open(now, name, address)

        return check
