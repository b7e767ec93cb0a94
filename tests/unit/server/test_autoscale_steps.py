"""When autoscaling changes a size, and to what; and which sizes may be asked for (contract 2.1.10)."""

from __future__ import annotations

import pytest

from oc.model.errors import BadRequest
from oc.model.sandbox import Size
from oc.server import wishes
from oc.server.hosts import Host, Used
from oc.server.loops.autoscale import step
from oc.server.statistics import EVERY_S, Statistics

ID = "sb-00000001"
HOST = Host(cpus=2, memory_mb=4096, memory_available_mb=4000)
SIZE = Size(1.0, 1024, 20480)
LONG = 1000.0


@pytest.mark.parametrize(
    ("used_percent", "unchanged_s", "wanted_mb"),
    [
        ((76, 10, 10), LONG, 2048),
        ((75, 75, 75), LONG, 1024),
        ((76, 10, 10), 59.0, 1024),
        ((76, 10, 10), 60.0, 2048),
        ((24, 24, 24), LONG, 512),
        ((24, 24, 25), LONG, 1024),
        ((24, 25, 24), LONG, 1024),
        ((25, 24, 24), LONG, 1024),
        ((24, 24, 24), 299.0, 1024),
        ((24, 24, None), LONG, 1024),
        ((None, None, None), LONG, 1024),
    ],
)
def test_memory_follows_its_use(used_percent: tuple[float | None, ...], unchanged_s: float, wanted_mb: int) -> None:
    means = dict(zip((60.0, 300.0, 900.0), used_percent, strict=True))

    def mean(seconds: float) -> float | None:
        percent = means[seconds]
        return None if percent is None else percent * (1024 << 20) / 100

    assert step(1024, 256, 4096, mean, unchanged_s) == wanted_mb


@pytest.mark.parametrize(
    ("memory_mb", "bounds", "used_mb", "wanted_mb"),
    [
        (1024, (512, 1500), 1000, 1500),
        (1500, (512, 1500), 1400, 1500),
        (1024, (700, 2048), 10, 700),
        (700, (700, 2048), 10, 700),
        (256, (512, 1024), 200, 512),
        (2048, (512, 1024), 100, 1024),
    ],
)
def test_memory_stays_within_its_bounds(memory_mb: int, bounds: tuple[int, int], used_mb: int, wanted_mb: int) -> None:
    assert step(memory_mb, *bounds, lambda _: used_mb << 20, LONG) == wanted_mb


def test_a_mean_is_known_once_half_of_its_time_is() -> None:
    statistics = Statistics(None)  # type: ignore[arg-type] # nobody is asked
    for turn in range(8):
        statistics.note([Used(ID, float(turn), 100 if turn < 4 else 200)], turn * EVERY_S)
    now = 7 * EVERY_S
    assert statistics.mean_memory(ID, 60, now) == pytest.approx((3 * 100 + 4 * 200) / 7)
    assert statistics.mean_memory(ID, 15, now) == 200
    assert statistics.mean_memory(ID, 300, now) is None
    assert statistics.mean_memory("sb-00000002", 60, now) is None
    assert statistics.mean_memory(ID, 60, now + 60) is None


def test_what_is_not_said_of_a_size_stays() -> None:
    assert wishes.resized(SIZE, 2048, None, HOST) == Size(1.0, 2048, 20480)
    assert wishes.resized(SIZE, None, 0.5, HOST) == Size(0.5, 1024, 20480)
    assert wishes.resized(SIZE, 128, 2, HOST) == Size(2, 128, 20480)


@pytest.mark.parametrize(
    ("memory_mb", "cpus", "text"),
    [
        (None, None, "memoryMB is required and must be positive"),
        (0, None, "memoryMB is required and must be positive"),
        (-5, 1.0, "memoryMB is required and must be positive"),
        (127, None, "memoryMB must be from 128 to 4096 (got 127)"),
        (4097, None, "memoryMB must be from 128 to 4096 (got 4097)"),
        (512, 2.25, "cpuCount must be a multiple of 0.25 from 0.25 to 2 (got 2.25)"),
        (None, 0, "cpuCount must be a multiple of 0.25 from 0.25 to 2 (got 0)"),
    ],
)
def test_a_size_that_cannot_be_is_refused(memory_mb: int | None, cpus: float | None, text: str) -> None:
    with pytest.raises(BadRequest) as raised:
        wishes.resized(SIZE, memory_mb, cpus, HOST)
    assert raised.value.text == text


@pytest.mark.parametrize(
    ("least", "most", "text"),
    [
        (None, None, "minMemoryMB must be from 128 to 4096 (got 0)"),
        (512, None, "maxMemoryMB must be from 128 to 4096 (got 0)"),
        (512, 8192, "maxMemoryMB must be from 128 to 4096 (got 8192)"),
        (2048, 1024, "minMemoryMB must not be above maxMemoryMB (got 2048 and 1024)"),
    ],
)
def test_bounds_that_cannot_be_are_refused(least: int | None, most: int | None, text: str) -> None:
    with pytest.raises(BadRequest) as raised:
        wishes.autoscale(least, most, HOST)
    assert raised.value.text == text
