"""A step along a line that meets the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from npnet.base.arrays import Array

__all__ = ["Point", "strong_wolfe"]


@dataclass(frozen=True)
class Point:
    """Where the line was tried: the step, the value, the gradient, and its part along the line."""

    t: float
    f: float
    g: Array
    slope: float


def strong_wolfe(
    at: Callable[[float], tuple[float, Array]],
    t: float,
    d: Array,
    start: Point,
    most: int,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance: float = 1e-9,
) -> tuple[Point, int]:
    """A step t, and how often the function was evaluated, with

        f(t) <= f(0) + c1 * t * f'(0)  and  |f'(t)| <= c2 * |f'(0)|

    or the best one that was found.

    Args:
        at: value and gradient at a step from the start.
        t: what is tried first.
        d: the direction.
        start: the point of step 0.
        most: evaluations, but for one.
        tolerance: the change of a parameter below which the search ends.

    Source: Nocedal, Wright (2006), algorithms 3.5 and 3.6, with cubic interpolation.
    """

    def point(t: float) -> Point:
        f, g = at(t)
        return Point(t, f, g, float(g @ d))

    def is_high(p: Point, than: float, count: int) -> bool:
        return p.f > start.f + c1 * p.t * start.slope or (count > 1 and p.f >= than)

    before, now, count = start, point(t), 0
    ends: list[Point] | None = None
    while count < most:  # until a bracket holds such a step
        if is_high(now, before.f, count):
            ends = [before, now]
            break
        if abs(now.slope) <= -c2 * start.slope:
            return now, count + 1
        if now.slope >= 0:
            ends = [before, now]
            break
        least = now.t + 0.01 * (now.t - before.t)
        after = _cubic(before, now, (least, now.t * 10))
        before, now, count = now, point(after), count + 1
    low, high = _sorted(ends if ends is not None else [start, now])
    stuck = False
    while count < most:  # the bracket shrinks
        if abs(high.t - low.t) * float(np.abs(d).max()) < tolerance:
            break
        t, stuck = _inside(_cubic(low, high), low.t, high.t, stuck)
        now, count = point(t), count + 1
        if is_high(now, low.f, 2):
            low, high = (low, now) if low.f <= now.f else (now, low)
            continue
        if abs(now.slope) <= -c2 * start.slope:
            low = now
            break
        if now.slope * (high.t - low.t) >= 0:
            high = low
        low = now
    return low, count + 1


def _sorted(ends: list[Point]) -> tuple[Point, Point]:
    """The lower end first."""
    return (ends[0], ends[1]) if ends[0].f <= ends[1].f else (ends[1], ends[0])


def _inside(t: float, a: float, b: float, stuck: bool) -> tuple[float, bool]:
    """A step that keeps a tenth away from the ends the second time it comes near one of them."""
    low, high = min(a, b), max(a, b)
    margin = 0.1 * (high - low)
    if min(high - t, t - low) >= margin:
        return t, False
    if not stuck and low < t < high:
        return t, True
    return (high - margin if abs(t - high) < abs(t - low) else low + margin), False


def _cubic(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through two points with their slopes is least, within the bounds.

    Source: Nocedal, Wright (2006), eq. 3.59.
    """
    low, high = bounds or (min(a.t, b.t), max(a.t, b.t))
    first, second = (a, b) if a.t <= b.t else (b, a)
    if first.t == second.t:
        return (low + high) / 2
    d1 = first.slope + second.slope - 3 * (first.f - second.f) / (first.t - second.t)
    square = d1 * d1 - first.slope * second.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    share = (second.slope + d2 - d1) / (second.slope - first.slope + 2 * d2)
    return min(max(second.t - (second.t - first.t) * share, low), high)
