"""A host that is full says so, with the numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from oc.model.errors import Unavailable
from oc.model.sandbox import Size
from oc.worker.capacity import Host, admit, look

ROOMY = Host(cpus=2, memory_mb=8000, memory_available_mb=6000, pool_free_mb=50_000)
SIZE = Size(cpus=1.0, memory_mb=7000, disk_mb=20_480)


def test_memory_is_promised_beyond_what_is_available() -> None:
    admit(ROOMY, SIZE, disk_reserve_mb=2048)


@pytest.mark.parametrize(
    ("host", "size", "words"),
    [
        (ROOMY, Size(1.0, 8001, 1), "8001 MB does not fit on a host of 8000 MB"),
        (replace(ROOMY, memory_available_mb=511), SIZE, "511 MB available, 512 MB must stay"),
        (replace(ROOMY, pool_free_mb=2047), SIZE, "2047 MB free, 2048 MB must stay"),
    ],
)
def test_what_does_not_fit_is_refused_with_numbers(host: Host, size: Size, words: str) -> None:
    with pytest.raises(Unavailable, match=words):
        admit(host, size, disk_reserve_mb=2048)


def test_this_host_is_measured(tmp_path: Path) -> None:
    host = look(tmp_path)
    assert 0 < host.memory_available_mb <= host.memory_mb
    assert host.cpus > 0
    assert host.pool_free_mb > 0
