"""The pictures of a report: lines as SVG, confusion matrices as PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.comparison.results import Configuration
from npnet.plots.curves import CRITERIA, MANY_DECADES
from npnet.plots.style import (
    STYLES,
    dashes,
    dress,
    encode,
    legend,
    matplotlib,
    new_figure,
    set_title,
)
from npnet.runs.plots import confusion_png

__all__ = ["confusion", "curves", "learning_rates", "splits", "times"]

LOOK = STYLES["light"]
FIGURE_WIDTH = 9.0  # inches
MOST_POINTS = 300  # of a line: more can't be told apart at this width
MOST_BANDS = 8  # lines with bands and raw curves beneath; more would hide each other
DECADE = 10  # between the learning rates of one figure from which their axis is logarithmic
LONG = 1000  # epochs from which the axis is logarithmic
TITLES = {
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "train_accuracy": "training accuracy (%)",
    "val_accuracy": "validation accuracy (%)",
}


@dataclass(frozen=True)
class _Panel:
    """One pair of axes: a column of metrics.csv, of the configurations of one criterion."""

    column: str
    title: str
    members: tuple[int, ...]


def _style(i: int) -> dict[str, Any]:
    return {"color": LOOK.colours[i % len(LOOK.colours)], "linestyle": dashes(i, LOOK)}


def _svg(figure: Any) -> bytes:
    return encode(figure, "svg")


def _dress(axes: Any, title: str, epochs: int, is_loss: bool = False) -> None:
    dress(axes, LOOK, title)
    if is_loss:
        drawn = np.concatenate([line.get_ydata() for line in axes.lines] or [np.ones(1)])
        drawn = drawn[np.isfinite(drawn) & (drawn > 0)]
        if len(drawn) and drawn.max() > MANY_DECADES * drawn.min():
            axes.set_yscale("log")  # a fit's error falls far, and a diverging run's loss rises
    if epochs >= LONG:
        axes.set_xscale("log")
    elif epochs == 1:
        axes.set_xticks([1])
    else:
        axes.xaxis.set_major_locator(matplotlib("ticker").MaxNLocator(integer=True, nbins=8))


def _key(figure: Any, handles: Any, labels: Any, place: str, columns: int) -> None:
    legend(figure, LOOK, handles=handles, labels=labels, loc=place, ncols=columns, frameon=False)


def _thinned(epochs: Array) -> Array:
    """Which points of a curve to draw: all, or evenly spaced ones as its axis is divided."""
    last = len(epochs) - 1
    if last < MOST_POINTS:
        return np.arange(last + 1)
    if epochs[-1] < LONG:
        return np.unique(np.linspace(0, last, MOST_POINTS).astype(int))
    return np.unique(np.geomspace(1, last + 1, MOST_POINTS).astype(int)) - 1


def _has(configuration: Configuration, column: str) -> bool:
    return any(
        column in o.history and np.isfinite(o.history[column]).any() for o in configuration.outcomes
    )


def _longest(configurations: Sequence[Configuration]) -> int:
    return int(max(c.epochs[-1] for c in configurations))


def _panels(configurations: Sequence[Configuration]) -> list[_Panel]:
    """What there is to draw; losses of each criterion have axes of their own."""
    panels = []
    for column, title in TITLES.items():
        criteria: dict[str, list[int]] = {}
        for i, configuration in enumerate(configurations):
            if _has(configuration, column):
                criteria.setdefault(_criterion(configuration, column), []).append(i)
        for criterion, members in criteria.items():
            said = f": {CRITERIA.get(criterion, criterion)}" if len(criteria) > 1 else ""
            panels.append(_Panel(column, title + said, tuple(members)))
    return panels


def _criterion(configuration: Configuration, column: str) -> str:
    return str(configuration.settings.get("criterion", "")) if "loss" in column else ""


def curves(configurations: Sequence[Configuration], smoothing: float) -> bytes:
    """Loss and accuracy of training and validation, a line for each configuration."""
    panels = _panels(configurations)
    legend_columns = 2 if max(len(c.label) for c in configurations) > 40 else 3
    legend_height = 0.2 * math.ceil(len(configurations) / legend_columns) + 0.2
    rows = math.ceil(len(panels) / 2)
    figure = new_figure(FIGURE_WIDTH, 3.0 * rows + legend_height, LOOK)
    grid = figure.subplots(rows, 2, squeeze=False).ravel()
    handles: dict[int, Any] = {}
    faint = len(configurations) <= MOST_BANDS
    for axes, panel in zip(grid, panels, strict=False):
        for i in panel.members:
            drawn = _line(axes, configurations[i], panel.column, smoothing, _style(i), faint)
            handles.setdefault(i, drawn)
        axes.set_xlabel("epoch")
        _dress(axes, panel.title, _longest(configurations), "loss" in panel.column)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    at = sorted(handles)
    labels = [configurations[i].label for i in at]
    _key(figure, [handles[i] for i in at], labels, "outside lower center", legend_columns)
    return _svg(figure)


def _line(
    axes: Any,
    configuration: Configuration,
    column: str,
    smoothing: float,
    style: dict[str, Any],
    faint: bool,
    label: str | None = None,
) -> Any:
    """The smoothed mean over seeds, over the raw one and the band of one deviation.

    Returns:
        The smoothed line.
    """
    raw, mean, deviation = configuration.curves(column, smoothing)
    at = _thinned(configuration.epochs)
    x = configuration.epochs[at]
    marker = "o" if len(x) == 1 else None
    label = label or configuration.label
    (line,) = axes.plot(x, mean[at], label=label, marker=marker, lw=1.4, **style)
    if not faint:
        return line
    axes.plot(x, raw[at], color=style["color"], alpha=0.25, lw=1)
    if len(configuration.outcomes) > 1:
        low, high = mean - deviation, mean + deviation
        axes.fill_between(x, low[at], high[at], color=style["color"], alpha=0.12, lw=0)
    return line


def splits(configurations: Sequence[Configuration], smoothing: float) -> bytes:
    """Training against validation, a panel for each configuration: the gap is overfitting."""
    is_function = configurations[0].is_function
    measure = "loss" if is_function else "accuracy"
    columns = min(len(configurations), 3)
    rows = math.ceil(len(configurations) / columns)
    height = (3.0 if columns == 1 else 2.1) * rows + 0.5
    figure = new_figure(FIGURE_WIDTH, height, LOOK)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True, sharex=True).ravel()
    for axes, configuration in zip(grid, configurations, strict=False):
        for i, split in enumerate(("train", "val")):
            column = f"{split}_{measure}"
            if _has(configuration, column):
                said = "training" if split == "train" else "validation"
                _line(axes, configuration, column, smoothing, _style(i), True, said)
        _dress(axes, "", _longest(configurations), measure == "loss")
        set_title(axes, configuration.label, LOOK, 8)
    for axes in grid[len(configurations) :]:
        axes.set_axis_off()
    for axes in grid[max(len(configurations) - columns, 0) : len(configurations)]:
        axes.tick_params(labelbottom=True)  # the last of its column
    figure.supxlabel("epoch", fontsize=8, color=LOOK.ink)
    figure.supylabel("loss" if is_function else "accuracy (%)", fontsize=8, color=LOOK.ink)
    found: dict[str, Any] = {}
    for axes in grid:  # one alone may lack a split
        handles, labels = axes.get_legend_handles_labels()
        found |= zip(labels, handles, strict=True)
    _key(figure, list(found.values()), list(found), "outside upper center", 2)
    return _svg(figure)


def learning_rates(configurations: Sequence[Configuration]) -> bytes:
    """The learning rate by epoch, once for all configurations that share it."""
    curves = _shared_rates(configurations)
    figure = new_figure(FIGURE_WIDTH, 2.6 + 0.18 * len(curves), LOOK)
    axes = figure.subplots()
    for i, (epochs, rates, labels) in enumerate(curves):
        at = _thinned(epochs)
        marker = "o" if len(at) == 1 else None
        said = _in_common(labels, len(configurations))
        axes.plot(epochs[at], rates[at], label=said, marker=marker, **_style(i))
    _dress(axes, "learning rate", _longest(configurations))
    drawn = np.concatenate([rates[rates > 0] for _, rates, _ in curves])
    if len(drawn) and drawn.max() > DECADE * drawn.min():
        axes.set_yscale("log")
    else:
        axes.set_ylim(0)
    axes.set_xlabel("epoch")
    dress(axes, LOOK)
    handles, labels = axes.get_legend_handles_labels()
    _key(figure, handles, labels, "outside lower center", 2)
    return _svg(figure)


def _shared_rates(
    configurations: Sequence[Configuration],
) -> list[tuple[Array, Array, list[str]]]:
    """Epochs, their learning rates, and who has them; who stopped early has their beginning."""
    found: list[tuple[Array, Array, list[str]]] = []
    for configuration in sorted(configurations, key=lambda c: -len(c.epochs)):
        rates = configuration.learning_rates
        for epochs, longer, labels in found:
            count = len(rates)
            same = np.array_equal(longer[:count], rates)
            if same and np.array_equal(epochs[:count], configuration.epochs):
                labels.append(configuration.label)
                break
        else:
            found.append((configuration.epochs, rates, [configuration.label]))
    return found


def _in_common(labels: Sequence[str], configurations: int) -> str:
    """What these labels share, else how many they are."""
    if len(labels) == configurations and configurations > 1:
        return "all configurations"
    first, *others = (label.split(", ") for label in labels)
    shared = [part for part in first if all(part in other for other in others)]
    return ", ".join(shared) or f"{len(labels)} configurations, such as {labels[0]}"


def times(configurations: Sequence[Configuration]) -> bytes:
    """Seconds of an epoch: median and quartiles over the epochs of all seeds."""
    figure = new_figure(FIGURE_WIDTH, 0.9 + 0.28 * len(configurations), LOOK)
    axes = figure.subplots()
    at = np.arange(len(configurations))
    low, middle, high = np.transpose(
        [
            np.quantile(np.concatenate([o.seconds for o in c.outcomes]), [0.25, 0.5, 0.75])
            for c in configurations
        ]
    )
    spread = [middle - low, high - middle]
    axes.barh(at, middle, xerr=spread, color=LOOK.colours[0], ecolor=LOOK.pale, capsize=2)
    axes.set_yticks(at, [c.label for c in configurations], parse_math=False)
    axes.invert_yaxis()
    axes.set_xlim(0)
    axes.set_xlabel("seconds per epoch, training and validation")
    dress(axes, LOOK, grid="x")
    return _svg(figure)


def confusion(configuration: Configuration) -> bytes:
    """How often each class was taken for each other, summed over the seeds."""
    first = configuration.outcomes[0].result
    counts = np.sum([outcome.result["confusion"] for outcome in configuration.outcomes], axis=0)
    return confusion_png(counts, first["classes"], configuration.label)
