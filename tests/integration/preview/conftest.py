"""A real agent, one for each test, as a process of this host: what listens on its loopback is "inside"."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from oc.settings import AGENT
from tests.integration.dataplane.conftest import agent
from tests.integration.worker.house import House

__all__ = ["agent"]


@pytest.fixture
def house() -> Iterator[House]:
    """A worker process, in a short path: a Unix socket's has at most 107 bytes (unix(7))."""
    with tempfile.TemporaryDirectory(prefix="oc-") as directory:
        made = House(Path(directory), AGENT)
        try:
            yield made
        finally:
            made.clear()
