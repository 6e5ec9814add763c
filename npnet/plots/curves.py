"""Learning curves: loss and accuracy by epoch, of one run or of several."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.plots.style import (
    Style,
    dress,
    head,
    legend,
    line_style,
    matplotlib,
    new_axes,
    new_figure,
    style_of,
    whole_epochs,
)

__all__ = ["CRITERIA", "Curves", "curves", "plot_curves"]

MANY_DECADES = 1e3  # between losses of one figure, from which their axis is logarithmic
MANY_EPOCHS = 25  # from which not every one has its mark
_SPLITS: dict[str, tuple[str, dict[str, Any]]] = {  # open marks tell single epochs apart too
    "val": ("validation", {"linestyle": "-"}),
    "train": ("training", {"linestyle": "--", "fillstyle": "none"}),
}
CRITERIA = {  # the name of an axis; losses of different criteria are never on one
    "cross_entropy": "cross-entropy",
    "mse": "mean squared error",
    "softmax_bce": "binary cross-entropy of softmax",
}


@dataclass(frozen=True)
class Curves:
    """The curves of a run.

    Attributes:
        label: what the run is called.
        history: the columns of metrics.csv by name, each (epochs,).
        criterion: of its losses, such as cross_entropy; empty where it is not known.
        best_epoch: of the checkpoint that was kept; None where it is not known.

    Example:
        >>> from npnet import plots
        >>> columns = {name: np.arange(3.0) for name in ("epoch", "train_loss", "val_loss")}
        >>> plots.Curves("lenet5", columns, best_epoch=2).label
        'lenet5'
    """

    label: str
    history: Mapping[str, Array]
    criterion: str = ""
    best_epoch: int | None = None

    def has(self, column: str) -> bool:
        """Whether there is anything to draw of it."""
        return column in self.history and bool(np.isfinite(self.history[column]).any())


def plot_curves(
    runs: Sequence[Curves],
    measure: str = "loss",
    ax: Any = None,
    *,
    title: str = "",
    style: str | Style = "light",
) -> Any:
    """One measure by epoch: validation in full lines, training in dashed ones.

    Several runs have a colour and a mark each; the splits of a single one do. Returns the axes.

    Args:
        runs: of one criterion, where the measure is the loss.
        measure: "loss", or "accuracy" in percent.

    Example:
        >>> from npnet import plots
        >>> columns = {name: np.arange(3.0) for name in ("epoch", "train_loss", "val_loss")}
        >>> plots.plot_curves([plots.Curves("lenet5", columns)]).get_ylabel()
        'loss'
    """
    criteria = {run.criterion for run in runs}
    if measure == "loss" and len(criteria) > 1:
        raise ValueError(
            f"plot_curves: losses of {', '.join(sorted(criteria))} have no common axis; draw them "
            "apart"
        )
    look = style_of(style)
    ax = new_axes(6, 4, look) if ax is None else ax
    _draw(ax, dict(enumerate(runs)), measure, look, len(runs) == 1)
    dress(ax, look, title)
    if ax.get_legend_handles_labels()[0]:
        legend(ax, look)
    return ax


def curves(runs: Sequence[Curves], title: str = "", style: str | Style = "light") -> Any:
    """Loss and accuracy side by side, with a panel of losses for each criterion.

    Returns:
        The figure.

    Example:
        >>> from npnet import plots
        >>> names = "epoch", "train_loss", "val_loss", "train_accuracy", "val_accuracy"
        >>> run = plots.Curves("lenet5", {name: np.arange(1.0, 4.0) for name in names})
        >>> len(plots.curves([run]).axes)
        2
    """
    look, numbered, alone = style_of(style), dict(enumerate(runs)), len(runs) == 1
    panels = [
        ("loss", {i: run for i, run in numbered.items() if run.criterion == criterion})
        for criterion in dict.fromkeys(run.criterion for run in runs)
    ]
    if any(run.has(f"{split}_accuracy") for run in runs for split in _SPLITS):
        panels.append(("accuracy", numbered))
    columns = min(len(panels), 2)
    rows = math.ceil(len(panels) / columns)
    handles, labels = _key(runs, look)
    width = 4.5 * columns + 0.3
    key_columns = max(1, min(len(labels), int(14 * width) // (max(map(len, labels)) + 6)))
    key_height = 0.2 * math.ceil(len(labels) / key_columns)
    figure = new_figure(width, 3.3 * rows + key_height + 0.5, look)
    head(figure, title, look)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, (measure, shown) in zip(grid, panels, strict=False):
        _draw(ax, shown, measure, look, alone)
        dress(ax, look)
    for ax in grid[len(panels) :]:
        ax.set_axis_off()
    legend(
        figure,
        look,
        handles=handles,
        labels=labels,
        loc="outside lower center",
        ncols=key_columns,
        frameon=False,
    )
    return figure


def _draw(ax: Any, runs: Mapping[int, Curves], measure: str, look: Style, alone: bool) -> None:
    """The lines of runs by their number, which gives each its colour."""
    for i, run in runs.items():
        for j, (split, (said, look_of)) in enumerate(_SPLITS.items()):
            column = f"{split}_{measure}"
            if run.has(column):
                options = line_style(j if alone else i, look) | look_of
                label = said if alone else f"{run.label}, {said}"
                _line(ax, run.history["epoch"], run.history[column], label, options)
    if alone:
        for run in runs.values():
            if run.best_epoch is not None:
                ax.axvline(run.best_epoch, label="best epoch", **_best_style(look))
    whole_epochs(ax, [int(e) for run in runs.values() for e in run.history["epoch"]])
    ax.set_ylabel("accuracy (%)")
    if measure == "loss":
        criteria = [run.criterion for run in runs.values()]
        ax.set_ylabel(f"loss: {CRITERIA.get(criteria[0], criteria[0])}" if criteria[0] else "loss")
        _scale(ax)


def _line(ax: Any, epochs: Array, values: Array, label: str, options: dict[str, Any]) -> None:
    every = max(1, math.ceil(len(epochs) / MANY_EPOCHS))
    ax.plot(epochs, values, label=label, markevery=every, **options)


def _best_style(look: Style) -> dict[str, Any]:
    return {"color": look.pale, "linewidth": 1.2, "linestyle": ":", "zorder": 0.5}


def _scale(ax: Any) -> None:
    """A logarithmic axis where losses differ by decades: a fit's error falls far."""
    drawn = np.concatenate([line.get_ydata() for line in ax.lines] or [np.ones(1)])
    drawn = np.asarray(drawn, float)
    drawn = drawn[np.isfinite(drawn) & (drawn > 0)]
    if len(drawn) and drawn.max() > MANY_DECADES * drawn.min():
        ax.set_yscale("log")


def _key(runs: Sequence[Curves], look: Style) -> tuple[list[Any], list[str]]:
    """What the lines mean: of several runs each once, and then the splits."""
    lines = matplotlib("lines")
    handles, labels = [], []
    if len(runs) > 1:
        for i, run in enumerate(runs):
            handles.append(lines.Line2D([], [], **line_style(i, look) | {"linestyle": "-"}))
            labels.append(run.label)
    for j, (split, (said, look_of)) in enumerate(_SPLITS.items()):
        if any(run.has(f"{split}_loss") for run in runs):
            options = line_style(j, look)
            if len(runs) > 1:
                options |= {"color": look.pale, "marker": "o"}
            handles.append(lines.Line2D([], [], **options | look_of))
            labels.append(said)
    if len(runs) == 1 and runs[0].best_epoch is not None:
        handles.append(lines.Line2D([], [], **_best_style(look)))
        labels.append("best epoch")
    return handles, labels
