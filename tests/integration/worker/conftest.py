"""A house for each test, and the real agent for all of them."""

from __future__ import annotations

import fcntl
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from oc.settings import AGENT
from tests.integration.worker.house import House


@pytest.fixture(scope="session")
def agent() -> Path:
    """Built if it is not up to date; by one test process at a time."""
    with (Path(tempfile.gettempdir()) / "oc-agent-build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["make", "-s", "-C", AGENT.parents[1]], check=True, stdin=subprocess.DEVNULL)
    return AGENT


@pytest.fixture
def house(agent: Path) -> Iterator[House]:
    """In a short path: a Unix socket's has at most 107 bytes (unix(7))."""
    with tempfile.TemporaryDirectory(prefix="oc-") as directory:
        made = House(Path(directory), agent)
        try:
            yield made
        finally:
            made.clear()
