"""One figure of what a network made of one picture, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet import Tensor
from npnet.base.arrays import Array
from npnet.nn import Module
from npnet.plots import explain
from npnet.plots.images import plot_feature_maps, plot_occlusion, plot_picture, plot_saliency
from npnet.plots.style import (
    Style,
    dress,
    head,
    new_figure,
    set_title,
    style_of,
)

__all__ = ["explanation", "plot_probabilities"]

_WIDTH = 10.0
_MOST_LAYERS = 10  # whose maps are shown, evenly chosen: a ResNet has dozens
_BARS = 5
_LONGEST = 18  # letters of a class beside its bar
_LEGEND = (
    "maps: orange above 0, blue below, one scale for a layer; hiding parts: orange costs the class "
    "probability, blue adds to it"
)


def explanation(
    model: Module,
    x: Tensor | Array,
    classes: Sequence[str] = (),
    picture: Any = None,
    *,
    class_index: int | None = None,
    title: str = "",
    style: str | Style = "light",
) -> Any:
    """The picture, what the network got of it, where it looked, and its maps layer by layer.

    Args:
        x: the image (C, H, W) or (1, C, H, W), as the network takes it: see `Preprocess`.
        classes: the names of the classes; numbers where there are none.
        picture: as it was before that: whatever `as_picture` takes.
        class_index: the class that is explained; default: the most probable.

    Returns:
        The figure; `npnet.plots.save` writes it.
    """
    shares = explain.probabilities(model, x)
    shares = shares[0] if shares.ndim == 2 else shares
    names = list(classes) or [str(i) for i in range(len(shares))]
    index = int(shares.argmax()) if class_index is None else class_index
    gradient = explain.input_gradient(model, x, index)
    drop = explain.occlusion(model, x, index)
    maps = _evenly(explain.feature_maps(model, x), _MOST_LAYERS)
    image = np.asarray(x.detach().array if isinstance(x, Tensor) else x).reshape(gradient.shape)

    look = style_of(style)
    kinds = {name: type(module).__name__ for name, module in model.named_modules()}
    heights = [2.6, *(_rows_height(m) for m in maps.values())]
    figure = new_figure(_WIDTH, sum(heights) + 0.7, look)
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    head(figure, title, look)
    panels = iter(grid[0].subgridspec(1, 4 if picture is None else 5).subplots().flat)
    name = _short(names[index])
    if picture is not None:
        plot_picture(picture, next(panels), title="picture", style=look)
    plot_picture(image, next(panels), title="what the network got", style=look)
    plot_saliency(
        gradient, image, next(panels), title=f"where {name} answers\nto changes", style=look
    )
    said = _occlusion_title(drop, name)
    plot_occlusion(drop, image, next(panels), title=said, style=look)
    plot_probabilities(shares, names, next(panels), style=look)
    for row, (layer, layer_maps) in enumerate(maps.items(), 1):
        kind = kinds.get(layer.partition(", call ")[0], "")
        axes = figure.add_subplot(grid[row])
        plot_feature_maps(
            layer_maps, axes, title=f"{layer} ({kind})" if kind else layer, style=look
        )
    figure.supxlabel(_LEGEND, fontsize=8, color=look.ink)
    return figure


def plot_probabilities(
    shares: Array,
    classes: Sequence[str],
    ax: Any = None,
    *,
    title: str = "probability",
    style: str | Style = "light",
) -> Any:
    """Bars of the most probable classes. Shape: shares (classes,). Returns the axes."""
    look = style_of(style)
    if ax is None:
        ax = new_figure(4, 2.4, look).subplots()
    order = np.argsort(-shares, kind="stable")[:_BARS]
    at = np.arange(len(order))
    ax.barh(at, shares[order], color=look.colours[0], height=0.62)
    for i, k in zip(at, order, strict=True):
        share = float(shares[k])
        inside = share > 0.55
        ax.text(
            share + (-0.03 if inside else 0.03),
            i,
            f"{100 * share:.1f} %",
            ha="right" if inside else "left",
            va="center",
            fontsize=8,
            color=look.paper if inside else look.ink,
        )
    ax.set_yticks(at, [_short(classes[k]) for k in order], parse_math=False)
    ax.set_xlim(0, 1)
    ax.set_xticks([])
    ax.invert_yaxis()
    dress(ax, look, grid="none")
    set_title(ax, title, look, 9)
    for side in ("top", "right", "bottom"):
        ax.spines[side].set_visible(False)
    return ax


def _occlusion_title(drop: Array, name: str) -> str:
    most = float(drop.max())
    if most < 5e-4:
        return f"hiding parts costs\n{name} nothing"
    return f"hiding parts costs {name}\nup to {100 * most:.1f} points"


def _rows_height(maps: Array) -> float:
    """Of a row of sixteen, in inches, with its title."""
    return _WIDTH / 16 * min(2.0, maps.shape[1] / maps.shape[2]) + 0.3


def _evenly(maps: dict[str, Array], most: int) -> dict[str, Array]:
    """At most so many, the first and the last among them."""
    names = list(maps)
    if len(names) > most:
        names = [names[i] for i in np.linspace(0, len(names) - 1, most).round().astype(int)]
    return {name: maps[name] for name in names}


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3]}..."
