"""The real agent as an ordinary process of the host."""

from __future__ import annotations

import fcntl
import os
import secrets
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from oc.settings import AGENT
from tests.integration.agent.client import PATIENCE_S, Client

SOURCES = AGENT.parents[1]
NICE_ENVIRONMENT = {"ASAN_OPTIONS": "abort_on_error=1", "UBSAN_OPTIONS": "print_stacktrace=1"}


def build(target: str, *variables: str) -> None:
    """By one test process at a time."""
    with (Path(tempfile.gettempdir()) / "oc-agent-build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["make", "-s", "-C", SOURCES, target, *variables], check=True, stdin=subprocess.DEVNULL)


@dataclass(frozen=True)
class Agent:
    process: subprocess.Popen[bytes]
    port: int
    token: bytes

    def client(self) -> Client:
        return Client(self.port, self.token)

    def stop(self) -> int:
        """Ends it with all its descendants; returns its exit status."""
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


@contextmanager
def running(program: Path, prepare: Callable[[], None] | None = None, **environment: str) -> Iterator[Agent]:
    """`prepare` is called in the new process before the agent runs."""
    token = secrets.token_bytes(32)
    with subprocess.Popen(
        [program, "--listen", "127.0.0.1:0", "--print-port"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={"OC_AGENT_TOKEN": token.hex(), **NICE_ENVIRONMENT, **environment},
        preexec_fn=prepare,
    ) as process:
        assert process.stdout is not None
        agent = Agent(process, int(process.stdout.readline()), token)
        try:
            yield agent
        finally:
            status = agent.stop()
    assert status == os.EX_OK
