"""The server as a process: it starts, says why it cannot, and ends when it is told to."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from oc.model.errors import Failed
from oc.server.main import listener
from oc.settings import Settings
from oc.store.store import Store
from tests.integration.server.control import PATIENCE_S, until, workshop
from tests.integration.server.stub import StubWorker, worker_at

PROGRAM = "from oc.settings import load; from oc.server.main import run; run(load())"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OC_")} | {
        "OC_CONFIG": os.devnull,
        "OC_DATA_DIR": str(settings.data_dir),
        "OC_RUN_DIR": str(settings.run_dir),
        "OC_LISTEN": settings.listen,
        "OC_DEFAULT_DISK_MB": "1024",
    }
    argv = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
        try:
            yield running
        finally:
            running.kill()


async def key_of(settings: Settings) -> str:
    store = await Store.open(settings.database)
    organization = await store.accounts.ensure_organization("tests")
    _, key = await store.accounts.create_key(organization.id, "tests")
    await store.close()
    return key


async def answers(origin: str) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"{origin}/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def use_and_end(settings: Settings, running: subprocess.Popen[bytes]) -> tuple[bytes, int]:
    """Attaches, ends the server under it, and returns the log and the code that the WebSocket was closed with."""
    origin, key = f"http://{settings.listen}", await key_of(settings)
    await until(lambda: answers(origin))
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S, headers={"X-API-Key": key}) as client:
        id = (await client.post(f"{origin}/api/sandboxes")).json()["sandboxID"]
    url = f"ws://{settings.listen}/api/sandboxes/{id}/exec/01234567?api_key={key}"

    def attached() -> int:
        with connect(url, proxy=None) as websocket:
            running.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed):
                websocket.recv(PATIENCE_S)
            return websocket.close_code or 0

    code = await asyncio.to_thread(attached)
    _, log = await asyncio.to_thread(running.communicate, timeout=PATIENCE_S)
    assert key.encode() not in log
    return log, code


def test_sigterm_closes_channels_writes_what_is_in_memory_and_ends_well() -> None:
    async def work() -> None:
        async with workshop() as directory:
            settings = Settings(data_dir=directory, run_dir=directory, listen=f"127.0.0.1:{free_port()}")
            async with worker_at(settings.worker_socket, StubWorker()):
                with process(settings) as running:
                    log, code = await use_and_end(settings, running)
                    assert (running.returncode, code) == (0, 1012), log
                assert b"Traceback" not in log
                store = await Store.open(settings.database)
                assert [used.last_used_at is not None for used in await store.accounts.keys()] == [True]
                await store.close()

    asyncio.run(work())


def test_address_that_is_taken_is_said_so() -> None:
    with listener("127.0.0.1:0") as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Failed, match=f"cannot listen on {address}: "):
            listener(address)


def test_data_directory_that_cannot_be_used_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "server").write_text("a file")
    settings = Settings(data_dir=tmp_path, run_dir=tmp_path, listen=f"127.0.0.1:{free_port()}")
    with process(settings) as running:
        _, log = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 1
    assert b"cannot open the database" in log
