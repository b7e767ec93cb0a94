"""CPU and memory of a sandbox, now and over the last half hour, ready to be drawn."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from oc.model.sandbox import Size
from oc.server.statistics import EVERY_S, KEPT_S, Sample
from oc.web.charts import Curve, Frame, Point, curve

GAP_S = 3 * EVERY_S  # a turn may be late
SPANS_S = (300.0, 900.0, KEPT_S)  # how much of the past is shown: as little as will do
MIB = 1 << 20


class Use(msgspec.Struct, frozen=True):
    """Of one resource, in the unit of its limit. `now` is None while it does not run, or is not counted here."""

    limit: float
    now: float | None
    highest: float | None
    curve: Curve


class Shape(msgspec.Struct, frozen=True):
    """Of a drawing: its size in its own units, and how much of the past it shows."""

    width: float
    height: float
    span_s: float


SPARK = Shape(72, 18, SPANS_S[0])


def chart(samples: Sequence[Sample], until: float) -> Shape:
    age = until - samples[0].at if samples else 0
    return Shape(600, 120, next((span for span in SPANS_S if span >= age), KEPT_S))


class Uses(msgspec.Struct, frozen=True):
    cpu: Use
    memory: Use


def uses(samples: Sequence[Sample], now: Sample | None, size: Size, shape: Shape, until: float) -> Uses:
    """`until`: what is now, in seconds of `time.time`."""
    cpus = [(sample.at, sample.cpus) for sample in samples]
    memory = [(sample.at, sample.memory_bytes / MIB) for sample in samples]
    return Uses(
        cpu=_use(cpus, now and now.cpus, size.cpus, shape, until),
        memory=_use(memory, now and now.memory_bytes / MIB, size.memory_mb, shape, until),
    )


def _use(points: Sequence[Point], now: float | None, limit: float, shape: Shape, until: float) -> Use:
    frame = Frame(until - shape.span_s, until, limit, shape.width, shape.height)
    return Use(limit, now, max((amount for _, amount in points), default=None), curve(points, frame, GAP_S))
