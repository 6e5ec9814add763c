"""Histograms of weights and gradients, epoch after epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.plots.style import (
    Style,
    colour_map,
    dress,
    head,
    matplotlib,
    new_axes,
    new_figure,
    set_title,
    style_of,
)

__all__ = ["histograms", "plot_histograms"]

Histogram = tuple[Array, Array]  # edges (bins + 1,), counts (bins,)

_MOST_EPOCHS = 12  # that are drawn, evenly chosen
_MOST_ROWS = 10  # parameters, likewise
_LEAST_VALUES = 100  # of a parameter; the histogram of a few shows nothing
_OVERLAP = 1.6  # heights of a ridge, in steps from one to the next


def plot_histograms(
    by_epoch: Mapping[int, Histogram],
    ax: Any = None,
    *,
    title: str = "",
    style: str | Style = "light",
) -> Any:
    """A ridge for each epoch, the first behind and the last in front. Returns the axes.

    The heights are shares of the values per width of a bin, on one scale.

    Args:
        by_epoch: the edges (bins + 1,) and counts (bins,) of each epoch.

    Example:
        >>> from npnet import plots
        >>> counts, edges = np.histogram(np.linspace(0, 1, 200))
        >>> plots.plot_histograms({1: (edges, counts), 2: (edges, counts)}).get_ylabel()
        'epoch'
    """
    look = style_of(style)
    ax = new_axes(5, 3, look) if ax is None else ax
    epochs = sorted(by_epoch)
    if len(epochs) > _MOST_EPOCHS:
        at = np.linspace(0, len(epochs) - 1, _MOST_EPOCHS).round().astype(int)
        epochs = [epochs[i] for i in at]
    ridges = [_density(*by_epoch[epoch]) for epoch in epochs]
    most = max((float(y.max(initial=0)) for _, y in ridges), default=0.0) or 1.0
    shades = colour_map(look.counts[1:-1])
    for i, (x, y) in enumerate(ridges):
        base = -float(i)
        shade = shades((i + 1) / len(ridges))
        height = base + _OVERLAP * y / most
        ax.fill_between(x, base, height, color=shade, alpha=0.85, linewidth=0, zorder=2 + i)
        ax.plot(x, height, color=look.paper, linewidth=0.8, zorder=2 + i)
    ax.set_yticks([-i for i in range(len(epochs))], [str(e) for e in epochs])
    ax.set_ylim(-len(epochs) + 0.7, _OVERLAP + 0.1)
    ax.set_ylabel("epoch")
    ax.xaxis.set_major_locator(matplotlib("ticker").MaxNLocator(nbins=5))
    dress(ax, look, grid="x")
    set_title(ax, title, look, 9)
    return ax


def _density(edges: Array, counts: Array) -> tuple[Array, Array]:
    """A line through the middles of the bins, down to 0 at both ends."""
    widths = np.maximum(np.diff(edges), np.finfo(float).tiny)
    density = counts / max(float(counts.sum()), 1.0) / widths
    middle = (edges[:-1] + edges[1:]) / 2
    return (
        np.concatenate([edges[:1], middle, edges[-1:]]),
        np.concatenate([[0.0], density, [0.0]]),
    )


def _large(found: Mapping[str, Mapping[str, Mapping[int, Histogram]]]) -> list[str]:
    """The parameters with values enough for a histogram; all where none has."""
    sizes: dict[str, float] = {}
    for parameters in found.values():
        for name, by_epoch in parameters.items():
            sizes[name] = max(float(counts.sum()) for _, counts in by_epoch.values())
    return [name for name in sizes if sizes[name] >= _LEAST_VALUES] or list(sizes)


def histograms(
    found: Mapping[str, Mapping[str, Mapping[int, Histogram]]],
    title: str = "",
    style: str | Style = "light",
) -> Any:
    """A column for each kind and a row for each parameter of 100 values or more.

    Of more than ten, ten are drawn, evenly chosen.

    Args:
        found: kind ("weights", "gradients") -> parameter -> epoch -> histogram.

    Returns:
        The figure.

    Example:
        >>> from npnet import plots
        >>> counts, edges = np.histogram(np.linspace(0, 1, 200))
        >>> figure = plots.histograms({"weights": {"conv1.weight": {1: (edges, counts)}}})
        >>> len(figure.axes)
        1
    """
    look = style_of(style)
    names = _large(found)
    if len(names) > _MOST_ROWS:
        title = f"{title}, {_MOST_ROWS} of {len(names)} parameters".removeprefix(", ")
        at = np.linspace(0, len(names) - 1, _MOST_ROWS).round().astype(int)
        names = [names[i] for i in at]
    epochs = max(len(each) for parameters in found.values() for each in parameters.values())
    height = 0.9 + 0.16 * min(epochs, _MOST_EPOCHS)
    figure = new_figure(4.6 * len(found) + 0.4, height * len(names) + 0.5, look)
    head(figure, title, look)
    grid = figure.subplots(len(names), len(found), squeeze=False)
    for row, name in zip(grid, names, strict=True):
        for ax, (kind, parameters) in zip(row, found.items(), strict=True):
            if name in parameters:
                plot_histograms(parameters[name], ax, title=f"{kind} of {name}", style=look)
            else:
                ax.set_axis_off()
    return figure
