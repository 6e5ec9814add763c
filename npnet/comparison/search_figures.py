"""The pictures of a search: which settings matter, and what each trial had and came to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npnet.comparison.ranges import Range
from npnet.comparison.spec import shown
from npnet.comparison.study import Record
from npnet.plots.style import (
    Style,
    colour_map,
    dress,
    encode,
    legend,
    matplotlib,
    new_figure,
    style_of,
    wrapped,
)

__all__ = ["importances", "parallel_coordinates"]

WIDTH = 9.0  # inches
BETWEEN = 1.5  # inches from one axis to the next, at least
MOST_TICKS = 5  # of an axis
DECADE = 10  # between errors, from which their axis is logarithmic
LONGEST = 1.1  # inches of a tick, which must not reach the axis before


def importances(shares: Mapping[str, float], style: str | Style = "light") -> bytes:
    """A bar for each setting, as long as its share in what makes a trial good; as SVG."""
    look = style_of(style)
    figure = new_figure(WIDTH, 0.9 + 0.28 * len(shares), look)
    axes = figure.subplots()
    at = np.arange(len(shares))
    values = [100 * share for share in shares.values()]
    bars = axes.barh(at, values, color=look.colours[0])
    axes.bar_label(bars, [f"{v:.0f} %" for v in values], padding=3, fontsize=8, color=look.ink)
    axes.set_yticks(at, list(shares), parse_math=False)
    axes.invert_yaxis()
    axes.set_xlim(0, max(1.12 * max(values), 1))
    axes.set_xlabel("share in what makes a trial good (%)")
    dress(axes, look, grid="x")
    return encode(figure, "svg")


@dataclass(frozen=True)
class _Axis:
    """One of the parallel axes, on which a value has its height from 0 to 1.

    Attributes:
        choices: the values of a list; empty of a range.
    """

    name: str
    low: float
    high: float
    is_log: bool
    choices: tuple[Any, ...] = ()

    @classmethod
    def of(cls, name: str, free: Range | list[Any]) -> _Axis:
        if isinstance(free, Range):
            return cls(name, free.low, free.high, free.is_log)
        return cls(name, 0, len(free) - 1, False, tuple(free))

    @classmethod
    def of_scores(cls, name: str, scores: Sequence[float], may_be_log: bool) -> _Axis:
        low, high = min(scores), max(scores)
        is_log = may_be_log and low > 0 and high > DECADE * low
        room = 0.0 if high > low else 0.5 * abs(low) or 0.5  # around the only one
        return cls(name, low - room, high + room, is_log)

    def height(self, value: Any) -> float:
        """Where a value is."""
        at = float(self.choices.index(value) if self.choices else value)
        low, high = self.low, self.high
        if self.is_log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        return (at - low) / (high - low)

    def ticks(self) -> list[tuple[float, str]]:
        """Heights with what stands beside them."""
        if self.choices:
            return [(self.height(v), wrapped(shown(v), LONGEST, 8)) for v in self.choices]
        ticker = matplotlib("ticker")
        if self.is_log:
            locator = ticker.LogLocator(numticks=MOST_TICKS)
        else:
            locator = ticker.MaxNLocator(MOST_TICKS - 1)
        inner = [v for v in locator.tick_values(self.low, self.high) if self.low < v < self.high]
        ends = [(self.height(v), f"{v:.4g}") for v in (self.low, self.high)]
        apart = [(self.height(v), f"{v:.4g}") for v in inner]
        return ends + [tick for tick in apart if 0.08 < tick[0] < 0.92]  # clear of the ends


def parallel_coordinates(
    records: Sequence[Record],
    free: Mapping[str, Range | list[Any]],
    score: str,
    is_error: bool,
    style: str | Style = "light",
) -> bytes:
    """A line for each trial through its values, and to its score where it is complete; as SVG.

    Args:
        records: the best first.
        free: what each setting is drawn from.
        score: what the last axis is called.
        is_error: whether scores are errors, which may be logarithmic.
    """
    look = style_of(style)
    whole = [record for record in records if record.values.keys() == free.keys()]
    complete = [record for record in whole if record.state == "complete"]
    axes_of = [_Axis.of(name, values) for name, values in free.items()]
    scores = [record.score for record in complete if record.score is not None]
    last = [_Axis.of_scores(score, scores, is_error)] if scores else []
    figure = new_figure(max(WIDTH, BETWEEN * (len(axes_of) + len(last))), 4.2, look)
    axes = figure.subplots()
    for record in whole:
        if record.state == "pruned":
            heights = [axis.height(record.values[axis.name]) for axis in axes_of]
            axes.plot(heights, color=look.pale, lw=0.8, alpha=0.6, ls=":", label="pruned")
    colours = colour_map(look.counts[1:])(np.linspace(1, 0, max(len(complete), 2)))
    for i, record in reversed(list(enumerate(complete))):  # the best on top
        heights = [axis.height(record.values[axis.name]) for axis in axes_of]
        heights += [axis.height(record.score) for axis in last]
        if i == 0:
            axes.plot(heights, color=look.colours[1], lw=2.4, label="the best")
        else:
            axes.plot(heights, color=colours[i], lw=1.1, alpha=0.8, label="complete")
    _draw_axes(axes, [*axes_of, *last], look)
    handles, labels = axes.get_legend_handles_labels()
    found = dict(zip(labels, handles, strict=True))
    names = [name for name in ("the best", "complete", "pruned") if name in found]
    if names:
        place = {"loc": "outside lower center", "ncols": 3, "frameon": False}
        legend(figure, look, handles=[found[n] for n in names], labels=names, **place)
    return encode(figure, "svg")


def _draw_axes(axes: Any, drawn: Sequence[_Axis], look: Style) -> None:
    # A ground for text over the lines; outlines would make paths of it.
    ground = {"facecolor": look.paper, "edgecolor": "none", "alpha": 0.85, "pad": 0.5}
    for x, axis in enumerate(drawn):
        axes.axvline(x, color=look.ink, lw=1)
        for height, text in axis.ticks():
            axes.plot([x - 0.015, x + 0.015], [height, height], color=look.ink, lw=1)
            axes.text(
                x - 0.03,
                height,
                text,
                ha="right",
                va="center",
                fontsize=8,
                color=look.ink,
                parse_math=False,
                bbox=ground,
            )
    dress(axes, look, grid="none")
    axes.set_xticks(range(len(drawn)), [axis.name for axis in drawn], parse_math=False)
    axes.tick_params(bottom=False, labeltop=True, labelbottom=False)
    axes.set_yticks([])
    axes.set_xlim(-0.45, len(drawn) - 0.85)
    axes.set_ylim(-0.05, 1.05)
    for spine in axes.spines.values():
        spine.set_visible(False)
