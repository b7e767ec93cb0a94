from __future__ import annotations

import pytest

from oc.server.plane import PERIODS_S


@pytest.fixture(autouse=True)
def brisk_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a loop does in its next turn is done soon."""
    for name in ("heal", "store", "follow", "discard"):
        monkeypatch.setitem(PERIODS_S, name, 0.1)
