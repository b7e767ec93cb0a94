from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.serve.host import Host


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Unlike pytest's own, which only root may pass, one that the server's user can reach."""
    path = Path(tempfile.mkdtemp(prefix="oc-serve-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def host(open_directory: Path) -> Iterator[Host]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    made = Host(open_directory, f"v{worker}")
    yield made
    made.end()
