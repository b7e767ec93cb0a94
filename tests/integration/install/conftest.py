from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.install.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    path = tmp_path / "somebody's home"  # a blank and a quote must not harm
    path.mkdir()
    return Home(path)
