"""The pictures of a report: lines as SVG, confusion matrices as PNG."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

import numpy as np

from npnet.base.arrays import Array
from npnet.comparison.results import Configuration
from npnet.runs.plots import confusion_png

__all__ = ["confusion", "curves", "learning_rates", "splits", "times"]

P = ParamSpec("P")

FIGURE_WIDTH = 9.0  # inches
MOST_POINTS = 300  # of a line: more can't be told apart at this width
MOST_BANDS = 8  # lines with bands and raw curves beneath; more would hide each other
DECADE = 10  # between the learning rates of one figure from which their axis is logarithmic
MANY_DECADES = 1e3  # between losses of one figure, likewise
LONG = 1000  # epochs from which the axis is logarithmic
TITLES = {
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "train_accuracy": "training accuracy (%)",
    "val_accuracy": "validation accuracy (%)",
}


def _style(i: int) -> dict[str, Any]:
    """Ten colours, then the same dashed, and so on."""
    return {"color": f"C{i % 10}", "linestyle": ("-", "--", ":", "-.")[i // 10 % 4]}


def _as_written(draw: Callable[P, bytes]) -> Callable[P, bytes]:
    """Draw names as they are: between two $, matplotlib would read a formula."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> bytes:
        from matplotlib import rc_context

        with rc_context({"text.parse_math": False}):
            return draw(*args, **kwargs)

    return drawn


def _figure(height: float) -> Any:
    from matplotlib.figure import Figure  # without pyplot: no window, no global state

    return Figure(figsize=(FIGURE_WIDTH, height), layout="constrained")


def _svg(figure: Any) -> bytes:
    from matplotlib import rc_context

    data = io.BytesIO()
    with rc_context({"svg.hashsalt": "npnet"}):  # the same picture has the same bytes
        figure.savefig(data, format="svg", metadata={"Date": None})
    return data.getvalue()


def _dress(axes: Any, title: str, epochs: int, is_loss: bool = False) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.25)
    axes.tick_params(labelsize=8)
    if is_loss:
        drawn = np.concatenate([line.get_ydata() for line in axes.lines] or [np.ones(1)])
        drawn = drawn[np.isfinite(drawn) & (drawn > 0)]
        if len(drawn) and drawn.max() > MANY_DECADES * drawn.min():
            axes.set_yscale("log")  # a fit's error falls far, and a diverging run's loss rises
    if epochs >= LONG:
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))


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


@_as_written
def curves(configurations: Sequence[Configuration], smoothing: float) -> bytes:
    """Loss and accuracy of training and validation, a line for each configuration."""
    columns = [name for name in TITLES if any(_has(c, name) for c in configurations)]
    legend_columns = 2 if max(len(c.label) for c in configurations) > 40 else 3
    legend_height = 0.2 * math.ceil(len(configurations) / legend_columns) + 0.2
    panels = math.ceil(len(columns) / 2)
    figure = _figure(3.0 * panels + legend_height)
    grid = figure.subplots(panels, 2, squeeze=False).ravel()
    for axes, column in zip(grid, columns, strict=False):
        for i, configuration in enumerate(configurations):
            if _has(configuration, column):
                faint = len(configurations) <= MOST_BANDS
                _line(axes, configuration, column, smoothing, _style(i), faint)
        _dress(
            axes,
            TITLES[column],
            _longest(configurations),
            "loss" in column,
        )
        axes.set_xlabel("epoch", fontsize=8)
    for axes in grid[len(columns) :]:
        axes.set_axis_off()
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=legend_columns, fontsize=8, frameon=False
    )
    return _svg(figure)


def _line(
    axes: Any,
    configuration: Configuration,
    column: str,
    smoothing: float,
    style: dict[str, Any],
    faint: bool,
    label: str | None = None,
) -> None:
    """The smoothed mean over seeds, over the raw one and the band of one deviation."""
    raw, mean, deviation = configuration.curves(column, smoothing)
    at = _thinned(configuration.epochs)
    x = configuration.epochs[at]
    marker = "o" if len(x) == 1 else None
    axes.plot(x, mean[at], label=label or configuration.label, marker=marker, lw=1.4, **style)
    if not faint:
        return
    axes.plot(x, raw[at], color=style["color"], alpha=0.25, lw=1)
    if len(configuration.outcomes) > 1:
        low, high = mean - deviation, mean + deviation
        axes.fill_between(x, low[at], high[at], color=style["color"], alpha=0.12, lw=0)


@_as_written
def splits(configurations: Sequence[Configuration], smoothing: float) -> bytes:
    """Training against validation, a panel for each configuration: the gap is overfitting."""
    is_function = configurations[0].is_function
    measure = "loss" if is_function else "accuracy"
    columns = min(len(configurations), 3)
    rows = math.ceil(len(configurations) / columns)
    figure = _figure((3.0 if columns == 1 else 2.1) * rows + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True, sharex=True).ravel()
    for axes, configuration in zip(grid, configurations, strict=False):
        for i, split in enumerate(("train", "val")):
            column = f"{split}_{measure}"
            if _has(configuration, column):
                said = "training" if split == "train" else "validation"
                _line(axes, configuration, column, smoothing, _style(i), True, said)
        _dress(
            axes, _wrapped(configuration.label, 36), _longest(configurations), measure == "loss",
        )  # fmt: skip
        axes.title.set_fontsize(8)
    for axes in grid[len(configurations) :]:
        axes.set_axis_off()
    for axes in grid[max(len(configurations) - columns, 0) : len(configurations)]:
        axes.tick_params(labelbottom=True)  # the last of its column
    figure.supxlabel("epoch", fontsize=8)
    figure.supylabel("loss" if is_function else "accuracy (%)", fontsize=8)
    legend: dict[str, Any] = {}
    for axes in grid:  # one alone may lack a split
        handles, labels = axes.get_legend_handles_labels()
        legend |= zip(labels, handles, strict=True)
    figure.legend(
        legend.values(), legend, loc="outside upper center", ncols=2, fontsize=8, frameon=False
    )
    return _svg(figure)


def _wrapped(text: str, width: int) -> str:
    import textwrap

    return textwrap.fill(text, width)


@_as_written
def learning_rates(configurations: Sequence[Configuration]) -> bytes:
    """The learning rate by epoch, once for all configurations that share it."""
    curves = _shared_rates(configurations)
    figure = _figure(2.6 + 0.18 * len(curves))
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
    axes.set_xlabel("epoch", fontsize=8)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return _svg(figure)


def _shared_rates(
    configurations: Sequence[Configuration],
) -> list[tuple[Array, Array, list[str]]]:
    """Epochs, their learning rates, and who has them; who stopped early has their beginning."""
    found: list[tuple[Array, Array, list[str]]] = []
    for configuration in sorted(configurations, key=lambda c: -len(c.epochs)):
        rates, _, _ = configuration.curves("learning_rate", 0.0)
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


@_as_written
def times(configurations: Sequence[Configuration]) -> bytes:
    """Seconds of an epoch: median and quartiles over the epochs of all seeds."""
    figure = _figure(0.9 + 0.28 * len(configurations))
    axes = figure.subplots()
    at = np.arange(len(configurations))
    low, middle, high = np.transpose(
        [
            np.quantile(np.concatenate([o.seconds for o in c.outcomes]), [0.25, 0.5, 0.75])
            for c in configurations
        ]
    )
    spread = [middle - low, high - middle]
    axes.barh(at, middle, xerr=spread, color="C0", alpha=0.75, ecolor="0.3", capsize=2)
    axes.set_yticks(at, [configuration.label for configuration in configurations], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0)
    axes.set_xlabel("seconds per epoch, training and validation", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25, axis="x")
    return _svg(figure)


@_as_written
def confusion(configuration: Configuration) -> bytes:
    """How often each class was taken for each other, summed over the seeds."""
    first = configuration.outcomes[0].result
    counts = np.sum([outcome.result["confusion"] for outcome in configuration.outcomes], axis=0)
    return confusion_png(counts, first["classes"], _wrapped(configuration.label, 60))
