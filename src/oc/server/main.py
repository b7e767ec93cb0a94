"""Runs the control plane until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import structlog
import uvicorn
import uvloop

from oc.model.errors import Failed
from oc.server import log as logs
from oc.server.app import Web, application
from oc.server.channel import MAX_MESSAGE
from oc.server.plane import Plane, plane
from oc.server.preview.protocol import protocol
from oc.settings import Settings

SIGNALS = (signal.SIGTERM, signal.SIGINT)
GRACE_S = 3  # for requests that are being answered; WebSockets are closed with 1012 at once
BACKLOG = 1024
log = structlog.get_logger()


class Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._stopping.set()
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Unlike uvicorn's, does not deliver the signal again afterwards: what is in memory is to be written first."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)


def configuration(plane: Plane, web: Web | None = None) -> uvicorn.Config:
    app = application(plane, web)
    return uvicorn.Config(
        app,
        http=protocol(app),
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE,
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
    )


def listener(listen: str) -> socket.socket:
    """Raises Failed, which says why the address cannot be had."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        made = socket.create_server((host, int(port)), family=family, backlog=BACKLOG)
    except OSError as error:
        hint = "choose another HOST:PORT with the setting listen"
        raise Failed(f"cannot listen on {listen}: {error.strerror or error}", hint=hint) from error
    # Accepted sockets inherit it. asyncio sets it only where the socket names its protocol, which this one does not;
    # without it an answer whose body follows its head waits 40 ms for the client's delayed acknowledgement.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


async def serve(settings: Settings, web: Web | None = None) -> None:
    listening = listener(settings.listen)
    async with plane(settings) as made:
        log.info("listening", address=settings.listen)
        await Server(configuration(made, web), made.stopping).serve([listening])


def run(settings: Settings, web: Web | None = None) -> None:
    """Returns after SIGTERM or SIGINT. Raises Failed when the address or the database cannot be had."""
    logs.configure(settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, web))
