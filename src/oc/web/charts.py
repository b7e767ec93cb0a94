"""Samples over time as paths of SVG. Colours and words are the templates' part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Point = tuple[float, float]  # when, and how much


@dataclass(frozen=True, slots=True)
class Frame:
    """What is seen: from `since` to `until` on the x axis, from 0 to `top` on the y axis, in units of the drawing."""

    since: float
    until: float
    top: float
    width: float
    height: float

    def place(self, point: Point) -> Point:
        """From the upper left corner, as SVG has it. What is above the top is drawn at the top."""
        at, amount = point
        x = (at - self.since) / (self.until - self.since) * self.width
        return x, self.height * (1 - min(max(amount, 0) / self.top, 1))


@dataclass(frozen=True, slots=True)
class Curve:
    """Attributes `d` of two paths: the line, and the area below it."""

    line: str
    area: str


def curve(points: Sequence[Point], frame: Frame, longest_step: float) -> Curve:
    """`points` in the order of time; where there is none for longer than `longest_step`, the curve is broken."""
    seen = [point for point in points if point[0] >= frame.since]
    pieces = [[frame.place(point) for point in piece] for piece in _pieces(seen, longest_step)]
    return Curve("".join(map(_line, pieces)), "".join(_area(piece, frame.height) for piece in pieces))


def _pieces(points: Sequence[Point], longest_step: float) -> Iterator[Sequence[Point]]:
    start = 0
    for index in range(1, len(points) + 1):
        if index == len(points) or points[index][0] - points[index - 1][0] > longest_step:
            yield points[start:index]
            start = index


def _line(piece: Sequence[Point]) -> str:
    """A single point has no length; a round cap makes it seen."""
    (x, y), *rest = piece
    return f"M{x:.1f} {y:.1f}" + ("".join(f"L{x:.1f} {y:.1f}" for x, y in rest) or "h0")


def _area(piece: Sequence[Point], ground: float) -> str:
    inner = "".join(f"L{x:.1f} {y:.1f}" for x, y in piece)
    return f"M{piece[0][0]:.1f} {ground:.1f}{inner}L{piece[-1][0]:.1f} {ground:.1f}Z"
