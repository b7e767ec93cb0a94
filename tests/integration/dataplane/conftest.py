"""A real agent, one for each test, as a process of this host."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator

import pytest

from oc.runtime.driver import Endpoint
from oc.settings import AGENT
from oc.wire.messages import TOKEN_BYTES


@pytest.fixture
def agent() -> Iterator[Endpoint]:
    """It ends all that it started when it is told to end."""
    token = secrets.token_bytes(TOKEN_BYTES)
    with subprocess.Popen(
        [AGENT, "--listen", "127.0.0.1:0", "--print-port"],
        env={**os.environ, "OC_AGENT_TOKEN": token.hex()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        try:
            yield Endpoint("127.0.0.1", int(process.stdout.readline()), token)
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
