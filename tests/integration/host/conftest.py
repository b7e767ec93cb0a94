"""Names that no other test run on this machine has, and images to mount."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def instance() -> str:
    return f"h{os.getpid() % 1000:03d}"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk with space.img"
    with path.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(path)], check=True)
    return path
