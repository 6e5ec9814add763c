"""Images in figures: pictures, maps and filters side by side, and heat over a picture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.plots.style import (
    Style,
    colour_map,
    new_axes,
    set_title,
    style_of,
)

__all__ = [
    "as_picture",
    "first_filters",
    "plot_feature_maps",
    "plot_filters",
    "plot_occlusion",
    "plot_picture",
    "plot_saliency",
]

_GAP = 0.12  # between images side by side, in sides of one
_COLUMNS = 16
MOST_MAPS, MOST_FILTERS = 16, 64  # that are shown of a layer: more would be specks


def as_picture(image: Any) -> Array:
    """An image as matplotlib takes it, from 0 to 1: (H, W) grey, (H, W, 3) in colour.

    uint8 counts to 255. Floats beyond 0 to 1 have no known white: the least of the image becomes 0,
    its largest 1.

    Args:
        image: (C, H, W) with 1 or 3 channels, (H, W), (H, W, 3), or a PIL image.

    Example:
        >>> from npnet import plots
        >>> plots.as_picture(np.array([[[0, 51, 255]]], np.uint8)).tolist()
        [[0.0, 0.2, 1.0]]
    """
    if hasattr(image, "convert") and hasattr(image, "mode"):  # PIL's
        image = np.asarray(image.convert("RGB"))
    stored = np.asarray(image.detach().array if hasattr(image, "detach") else image)
    if stored.ndim == 3 and stored.shape[0] in (1, 3):
        stored = stored.transpose(1, 2, 0)
    if stored.ndim == 3 and stored.shape[2] == 1:
        stored = stored[:, :, 0]
    if stored.ndim != 2 and (stored.ndim != 3 or stored.shape[2] != 3):
        raise ShapeError(
            "a picture must be (C, H, W) with 1 or 3 channels, (H, W) or (H, W, 3), got "
            f"{stored.shape}"
        )
    x = stored.astype(np.float64)
    if stored.dtype == np.uint8:
        return x / 255
    x = np.nan_to_num(x, posinf=1, neginf=0)
    if x.size and (x.min() < 0 or x.max() > 1):
        x = (x - x.min()) / max(np.ptp(x), np.finfo(float).tiny)
    return x


def plot_picture(
    image: Any, ax: Any = None, *, title: str = "", style: str | Style = "light"
) -> Any:
    """An image as it is. See `as_picture` for what it may be. Returns the axes.

    Example:
        >>> from npnet import plots
        >>> plots.plot_picture(np.ones((3, 8, 8)), title="a white square").get_title()
        'a white square'
    """
    look = style_of(style)
    ax = new_axes(3, 3, look) if ax is None else ax
    ax.imshow(as_picture(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    return _without_ticks(ax, look, title)


def plot_saliency(
    gradient: Array, image: Any, ax: Any = None, *, title: str = "", style: str | Style = "light"
) -> Any:
    """Where the score of a class changes with the image: the stronger, the more colour.

    Args:
        gradient: (C, H, W), of `input_gradient`.
        image: the one that the network got, which is drawn faintly beneath.

    Example:
        >>> from npnet import plots
        >>> plots.plot_saliency(np.ones((1, 8, 8)), np.ones((1, 8, 8)), title="3").get_title()
        '3'
    """
    from npnet.plots.explain import saliency

    return _heat(saliency(gradient), image, ax, title, style)


def plot_occlusion(
    drop: Array, image: Any, ax: Any = None, *, title: str = "", style: str | Style = "light"
) -> Any:
    """Which parts a class needs (red, orange), and which speak against it (blue).

    Args:
        drop: (H, W), of `occlusion`.
        image: the one that the network got, which is drawn faintly beneath.

    Example:
        >>> from npnet import plots
        >>> plots.plot_occlusion(np.ones((8, 8)), np.ones((1, 8, 8)), title="3").get_title()
        '3'
    """
    return _heat(drop, image, ax, title, style)


def _heat(heat: Array, image: Any, ax: Any, title: str, style: str | Style) -> Any:
    """Values around 0 over a faint image; 0 is clear, the largest is opaque."""
    look = style_of(style)
    ax = new_axes(3, 3, look) if ax is None else ax
    ax.imshow(as_picture(image), cmap="gray", vmin=0, vmax=1, alpha=0.3, interpolation="nearest")
    most = max(float(np.abs(heat).max()), np.finfo(float).tiny)
    low, high = look.signs[1], look.signs[-2]
    colours = np.where((heat < 0)[..., None], _rgb(low), _rgb(high))
    ax.imshow(np.dstack([colours, np.abs(heat) / most]), interpolation="nearest")
    return _without_ticks(ax, look, title)


def _rgb(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def plot_feature_maps(
    maps: Array, ax: Any = None, *, title: str = "", style: str | Style = "light"
) -> Any:
    """The maps that a layer makes of one image, all on one scale; 0 is the colour of the paper.

    Args:
        maps: (C, H, W). Of more than 16 the sixteen with the largest mean size are drawn.

    Example:
        >>> from npnet import plots
        >>> len(plots.plot_feature_maps(np.ones((6, 8, 8))).images)
        6
    """
    shown, look = maps, style_of(style)
    if len(maps) > MOST_MAPS:
        strength = np.abs(maps.astype(np.float64)).mean((1, 2))
        strongest = np.argsort(-strength, kind="stable")[:MOST_MAPS]
        shown = maps[np.sort(strongest)]
    count, height, width = maps.shape
    said = f"{count} maps" if len(shown) == count else f"{len(shown)} strongest of {count} maps"
    said += f" of {height} x {width}"
    ax = new_axes(9, 1, look) if ax is None else ax
    _tiles(shown, ax, look, _COLUMNS)
    return _without_ticks(ax, look, f"{title}: {said}" if title else said, "left")


def plot_filters(
    weight: Any, ax: Any = None, *, title: str = "", style: str | Style = "light"
) -> Any:
    """The filters of a convolution, all on one scale.

    Those over three channels are shown in colour, grey where they are 0; of all others each channel
    is a tile.

    Args:
        weight: (out, in, KH, KW). Of more than 64 tiles the first are drawn.

    Example:
        >>> from npnet import plots
        >>> plots.plot_filters(nn.Conv2d(1, 6, 5).weight, title="conv1").get_title()
        'conv1: 6 filters of 1 x 5 x 5'
    """
    array = np.asarray(weight.detach().array if hasattr(weight, "detach") else weight)
    if array.ndim != 4:
        raise ShapeError(f"plot_filters: weight must be (out, in, KH, KW), got {array.shape}")
    look = style_of(style)
    colour = array.shape[1] == 3
    tiles = array.transpose(0, 2, 3, 1) if colour else array.reshape(-1, *array.shape[2:])
    shown = tiles[:MOST_FILTERS]
    out, channels, height, width = array.shape
    said = f"{out} filters of {channels} x {height} x {width}"
    if len(shown) < len(tiles):
        said += f", the first {len(shown)} tiles"
    rows = math.ceil(len(shown) / 8)
    ax = new_axes(6, 0.75 * rows + 0.5, look) if ax is None else ax
    _tiles(shown, ax, look, 8)
    return _without_ticks(ax, look, f"{title}: {said}" if title else said)


def first_filters(model: Any, image_shape: tuple[int, int, int]) -> tuple[str, Array]:
    """Name and weight (out, in, KH, KW) of the first layer that sees images.

    That of a Linear layer on all pixels is shaped as these are. ValueError if there is none.

    Args:
        model: a Module, npnet's or PyTorch's.
        image_shape: (C, H, W) of the network's images.

    Example:
        >>> from npnet import plots
        >>> name, weight = plots.first_filters(npnet.models.LeNet5(), (1, 32, 32))
        >>> name, weight.shape
        ('conv1.weight', (6, 1, 5, 5))
    """
    for name, parameter in model.named_parameters():
        if parameter.ndim == 4:
            return name, parameter.detach().numpy()
        if parameter.ndim == 2 and parameter.shape[1] == math.prod(image_shape):
            return name, parameter.detach().numpy().reshape(-1, *image_shape)
    raise ValueError("the network has no layer whose weights look like images")


def _tiles(tiles: Array, ax: Any, look: Style, columns: int) -> None:
    """Images (N, H, W) or (N, H, W, 3) side by side, on one scale on both sides of 0."""
    height, width = tiles.shape[1:3]
    most = max(float(np.nanmax(np.abs(tiles))), np.finfo(float).tiny)
    options: dict[str, Any] = {"cmap": colour_map(look.signs), "vmin": -most, "vmax": most}
    if tiles.ndim == 4:
        tiles, options = np.clip(0.5 + 0.5 * tiles / most, 0, 1), {}
    ratio = height / width
    for i, tile in enumerate(tiles):
        left, top = i % columns * (1 + _GAP), -(i // columns) * (ratio + _GAP)
        extent = (left, left + 1, top - ratio, top)
        ax.imshow(tile, extent=extent, interpolation="nearest", **options)
        frame = [(left, top), (left + 1, top), (left + 1, top - ratio), (left, top - ratio)]
        xs, ys = zip(*frame, frame[0], strict=True)
        ax.plot(xs, ys, color=look.pale, linewidth=0.5)
    rows = math.ceil(len(tiles) / columns)
    ax.set_xlim(-_GAP / 2, columns * (1 + _GAP) - _GAP / 2)
    ax.set_ylim(-rows * (ratio + _GAP) + _GAP / 2, _GAP / 2)
    ax.set_aspect("equal")
    ax.set_anchor("NW")


def _without_ticks(ax: Any, look: Style, title: str, place: str = "center") -> Any:
    ax.set_axis_off()
    set_title(ax, title, look, 9, place)
    return ax
