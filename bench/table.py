"""How figures are printed: one line each, with what is promised and what docker takes for the same beside it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def heading() -> None:
    show("", "OpenComputer", "promised", "docker")


def show(what: str, ours: str, promised: str = "-", theirs: str = "-") -> None:
    print(f"{what:<56} {ours:<28} {promised:<24} {theirs}", flush=True)


def section(title: str) -> None:
    print(f"\n{title}", flush=True)


def duration(seconds: Sequence[float]) -> str:
    """The median, in milliseconds below one second."""
    ordered = sorted(seconds)
    median, worst = statistics.median(ordered), ordered[-1]
    if median < 1:
        return f"{1000 * median:.1f} ms (worst of {len(ordered)}: {1000 * worst:.0f})"
    return f"{median:.2f} s (worst of {len(ordered)}: {worst:.2f})"


def megabytes(sizes: Sequence[float]) -> str:
    """Of bytes; the median where there are several."""
    ordered = sorted(size / (1 << 20) for size in sizes)
    worst = f" (worst of {len(ordered)}: {ordered[-1]:.1f})" if len(ordered) > 1 else ""
    return f"{statistics.median(ordered):.1f} MB{worst}"


def rate(samples: Sequence[float]) -> str:
    return f"{statistics.median(samples):.0f} MB/s (of {len(samples)})"
