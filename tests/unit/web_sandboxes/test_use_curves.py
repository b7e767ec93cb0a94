"""Curves of CPU and memory: placed in time, broken where nothing was measured, never outside the drawing."""

from __future__ import annotations

from oc.model.sandbox import Size
from oc.server.hosts import Used
from oc.server.statistics import KEPT_S, MOST, Sample, Statistics
from oc.web.charts import Frame, curve
from oc.web.use import SPARK, chart, uses

FRAME = Frame(since=0, until=100, top=10, width=200, height=50)


def test_a_curve_is_placed_and_its_area_closed() -> None:
    drawn = curve([(0, 0), (50, 5), (100, 20)], FRAME, 60)
    assert drawn.line == "M0.0 50.0L100.0 25.0L200.0 0.0"
    assert drawn.area == "M0.0 50.0L0.0 50.0L100.0 25.0L200.0 0.0L200.0 50.0Z"


def test_a_curve_is_broken_where_nothing_was_measured() -> None:
    assert curve([(-9, 1), (0, 0), (10, 0), (90, 5)], FRAME, 20).line == "M0.0 50.0L20.0 50.0M180.0 25.0h0"
    assert curve([], FRAME, 20).line == ""


def test_use_is_in_the_unit_of_its_limit() -> None:
    samples = [Sample(990.0, 0.5, 64 << 20), Sample(995.0, 0.25, 32 << 20)]
    made = uses(samples, samples[-1], Size(2.0, 256, 1024), SPARK, 1000.0)
    assert (made.cpu.limit, made.cpu.now, made.cpu.highest) == (2.0, 0.25, 0.5)
    assert (made.memory.limit, made.memory.now, made.memory.highest) == (256, 32, 64)
    asleep = uses([], None, Size(2.0, 256, 1024), SPARK, 1000.0)
    assert (asleep.cpu.now, asleep.cpu.highest, asleep.cpu.curve.line) == (None, None, "")


def test_no_more_of_the_past_is_shown_than_there_is() -> None:
    assert chart([], 1000.0).span_s == 300
    assert chart([Sample(600.0, 0, 0)], 1000.0).span_s == 900
    assert chart([Sample(0.0, 0, 0)], 5000.0).span_s == KEPT_S


def statistics() -> Statistics:
    return Statistics(None)  # type: ignore[arg-type] # nobody is asked


def test_cpu_is_the_difference_of_two_looks() -> None:
    made = statistics()
    made.note([Used("a", 10.0, 5)], 100.0)
    assert made.now("a") is None
    made.note([Used("a", 12.5, 6), Used("b", 1.0, 7)], 105.0)
    assert made.of("a") == (Sample(105.0, 0.5, 6),)
    assert made.of("b") == ()


def test_a_counter_that_begins_anew_is_no_use_in_the_past() -> None:
    made = statistics()
    for at, seconds in ((100.0, 10.0), (105.0, 15.0), (110.0, 1.0), (115.0, 2.0)):
        made.note([Used("a", seconds, 1)], at)
    assert [(sample.at, sample.cpus) for sample in made.of("a")] == [(105.0, 1.0), (115.0, 0.2)]


def test_one_that_sleeps_has_a_past_but_no_present_and_is_forgotten_in_time() -> None:
    made = statistics()
    made.note([Used("a", 1.0, 1)], 100.0)
    made.note([Used("a", 2.0, 1)], 105.0)
    made.note([], 110.0)
    assert made.now("a") is None
    assert len(made.of("a")) == 1
    made.note([], 106.0 + KEPT_S)
    assert made.of("a") == ()


def test_what_is_kept_is_bounded() -> None:
    made = statistics()
    for turn in range(2 * MOST):
        made.note([Used("a", float(turn), 1)], 5.0 * turn)
    assert len(made.of("a")) == MOST
