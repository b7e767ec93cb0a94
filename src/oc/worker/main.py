"""The worker process."""

from __future__ import annotations

import signal
import socket
import sys
from types import FrameType

import uvicorn

from oc.host import children
from oc.settings import Settings
from oc.worker import listening, logs
from oc.worker.app import create_app
from oc.worker.assembly import assemble
from oc.worker.supervisor import Supervisor

DRAIN_S = 3  # for requests under way at the end; streams are told to come back
KEEP_ALIVE_S = 300  # the server keeps its connections; whoever closes first must not be us


def run(settings: Settings) -> None:
    """Serves until SIGTERM; sandboxes run on. Raises Conflict when another worker has the data directory."""
    logs.configure(settings.log_level)
    signal.signal(signal.SIGTERM, _leave)
    children.become_subreaper()
    listening.lock(settings.data_dir / "worker")
    listener = listening.listen(settings.worker_socket, settings.server_uid)
    for_tunnels = listening.listen(settings.tunnel_socket, settings.server_uid)
    uvicorn.Server(_config(settings, for_tunnels)).run(sockets=[listener])


def _leave(_: int, __: FrameType | None) -> None:
    """Before uvicorn handles signals, and after: it raises the signal again once it has stopped."""
    sys.exit(0)


def _config(settings: Settings, for_tunnels: socket.socket) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(Supervisor(assemble(settings)), for_tunnels),
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,  # the attach stream has its own
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )
