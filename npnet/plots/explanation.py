"""One figure of what a network made of one picture, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    wrapped,
)

__all__ = ["explanation", "layers", "plot_probabilities", "saliencies"]

_WIDTH = 10.0
_MOST_LAYERS = 10  # whose maps are shown, evenly chosen: a ResNet has dozens
_BARS = 5
_LONGEST, _NARROW = 18, 12  # letters of a class beside its bar, and above a picture
_MAPS = "maps: orange above 0, blue below, one scale for a layer"
_HIDDEN = "hidden parts: orange ones cost the class probability, blue ones add to it"
_ROWS = (
    "below the pictures: what changes the score of the class most (input gradient); where hiding a "
    "part costs it most probability, orange, or adds to it, blue (occlusion)"
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

    Example:
        >>> from npnet import plots
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3))
        >>> figure = plots.explanation(model, npnet.rand(1, 8, 8), ["cat", "dog", "cow"])
        >>> type(figure).__name__
        'Figure'
    """
    shares = explain.probabilities(model, x)
    shares = shares[0] if shares.ndim == 2 else shares
    names = list(classes) or [str(i) for i in range(len(shares))]
    index = int(shares.argmax()) if class_index is None else class_index
    gradient = explain.input_gradient(model, x, index)
    drop = explain.occlusion(model, x, index)
    image = _image_of(x).reshape(gradient.shape)
    look, name = style_of(style), _short(names[index], _NARROW)
    maps = _evenly(explain.feature_maps(model, x), _MOST_LAYERS)
    figure, panels = _with_maps(model, maps, look, 4 if picture is None else 5)
    head(figure, title, look)
    if picture is not None:
        plot_picture(picture, next(panels), title="picture", style=look)
    plot_picture(image, next(panels), title="network's input", style=look)
    said = f"what changes\nthe score of {name}"
    plot_saliency(gradient, image, next(panels), title=said, style=look)
    said = _occlusion_title(drop, name)
    plot_occlusion(drop, image, next(panels), title=said, style=look)
    plot_probabilities(shares, names, next(panels), style=look)
    said = f"{_MAPS}; {_HIDDEN}" if maps else _HIDDEN
    figure.supxlabel(said, fontsize=8, color=look.ink)
    return figure


def layers(model: Module, x: Tensor | Array, title: str = "", style: str | Style = "light") -> Any:
    """The maps that each layer makes of an image (C, H, W), of ten layers at most.

    Returns:
        The figure.

    Example:
        >>> from npnet import plots
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2))
        >>> type(plots.layers(model, npnet.rand(1, 8, 8))).__name__
        'Figure'
    """
    look = style_of(style)
    maps = _evenly(explain.feature_maps(model, x), _MOST_LAYERS)
    if not maps:
        raise ValueError("layers: no layer of the network gives maps (N, C, H, W)")
    figure, _ = _with_maps(model, maps, look, 0)
    head(figure, title, look)
    figure.supxlabel(
        "orange above 0, blue below, one scale for a layer", fontsize=8, color=look.ink
    )
    return figure


def saliencies(
    model: Module,
    images: Sequence[Array],
    pictures: Sequence[Any],
    names: Sequence[str] = (),
    title: str = "",
    style: str | Style = "light",
) -> Any:
    """Of several images side by side: the picture, the input gradient, and occlusion.

    Each is of the class that the network finds most probable, which is said above it.

    Args:
        images: each (C, H, W), as the network takes it.
        pictures: the same as they were before that.
        names: of the classes.

    Returns:
        The figure.

    Example:
        >>> from npnet import plots
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3))
        >>> images = [np.zeros((1, 8, 8), np.float32)] * 2
        >>> len(plots.saliencies(model, images, images).axes)
        6
    """
    look, count = style_of(style), len(images)
    width = max(1.2 * count + 0.3, 4.5)
    figure = new_figure(width, 1.15 * 3 + 1.1, look)
    head(figure, title, look)
    grid = figure.subplots(3, count, squeeze=False)
    for (top, middle, bottom), image, picture in zip(grid.T, images, pictures, strict=True):
        shares = explain.probabilities(model, image)
        index = int(shares.argmax())
        said = _short(names[index] if names else str(index), _NARROW)
        plot_picture(picture, top, title=f"{said}\n{100 * shares[index]:.1f} %", style=look)
        plot_saliency(explain.input_gradient(model, image, index), image, middle, style=look)
        drop = explain.occlusion(model, image, index)
        lost = f"{max(100 * drop.max(), 0):.1f} points"
        plot_occlusion(drop, image, bottom, title=lost, style=look)
    figure.supxlabel(wrapped(_ROWS, width - 0.2, 8), fontsize=8, color=look.ink, linespacing=1.3)
    return figure


def _with_maps(
    model: Module, maps: dict[str, Array], look: Style, panels: int
) -> tuple[Any, Iterator[Any]]:
    """A figure with the maps, and with so many axes above them."""
    heights = [2.5] * (panels > 0) + [_rows_height(m) for m in maps.values()]
    figure = new_figure(_WIDTH, sum(heights) + 0.7, look)
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    above = grid[0].subgridspec(1, panels).subplots().flat if panels else ()
    kinds = {name: type(module).__name__ for name, module in model.named_modules()}
    for row, (layer, layer_maps) in enumerate(maps.items(), bool(panels)):
        kind = kinds.get(layer.partition(", call ")[0], "")
        axes = figure.add_subplot(grid[row])
        said = f"{layer} ({kind})" if kind else layer
        plot_feature_maps(layer_maps, axes, title=said, style=look)
    return figure, iter(above)


def _image_of(x: Tensor | Array) -> Array:
    return np.asarray(x.detach().array if isinstance(x, Tensor) else x)


def plot_probabilities(
    shares: Array,
    classes: Sequence[str],
    ax: Any = None,
    *,
    title: str = "probability",
    style: str | Style = "light",
) -> Any:
    """Bars of the most probable classes. Shape: shares (classes,). Returns the axes.

    Example:
        >>> from npnet import plots
        >>> ax = plots.plot_probabilities(np.array([0.25, 0.75]), ["cat", "dog"])
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['dog', 'cat']
    """
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
        return f"hidden, {name}\nloses nothing"
    return f"hidden, {name}\nloses {100 * most:.1f} points"


def _rows_height(maps: Array) -> float:
    """Of a row of sixteen, in inches, with its title."""
    return _WIDTH / 16 * min(2.0, maps.shape[1] / maps.shape[2]) + 0.3


def _evenly(maps: dict[str, Array], most: int) -> dict[str, Array]:
    """At most so many, the first and the last among them."""
    names = list(maps)
    if len(names) > most:
        names = [names[i] for i in np.linspace(0, len(names) - 1, most).round().astype(int)]
    return {name: maps[name] for name in names}


def _short(name: str, longest: int = _LONGEST) -> str:
    return name if len(name) <= longest else f"{name[: longest - 3]}..."
