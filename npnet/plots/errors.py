"""The worst errors of a network, each with the reason of its place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from npnet.plots.images import as_picture
from npnet.plots.style import (
    Style,
    new_figure,
    set_title,
    style_of,
)

__all__ = ["ORDER", "Mistake", "plot_errors"]

ORDER = "in order of loss, -log p(true class): the surer of a wrong class, the earlier"
_COLUMNS = 6
_GAP = 0.42  # between images side by side, in widths of one
_LINES = 3
_LONGEST = 14  # letters of a class
_WIDTH = 10.0


class Mistake(Protocol):
    """An image that was taken for another class, as `metrics.worst_errors` lists them."""

    @property
    def index(self) -> int:
        """Of the image in its split."""

    @property
    def true(self) -> int | str:
        """The class, its number or its name."""

    @property
    def predicted(self) -> int | str:
        """What the network said instead."""

    @property
    def probability(self) -> float:
        """Of that."""

    @property
    def loss(self) -> float:
        """By which they are sorted."""


def plot_errors(
    images: Sequence[Any],
    errors: Sequence[Mistake],
    classes: Sequence[str] = (),
    ax: Any = None,
    *,
    title: str = "",
    style: str | Style = "light",
) -> Any:
    """Misclassified images, the worst first, and beneath each what puts it there.

    Where there are none, the picture says so. Returns the axes.

    Args:
        images: of each error; see `as_picture` for what they may be.
        classes: names for the errors' class numbers.

    Example:
        >>> from npnet import plots
        >>> plots.plot_errors([], []).texts[0].get_text()
        'no image was misclassified'
    """
    look = style_of(style)
    pictures = [as_picture(image) for image in images]
    ratio = max((p.shape[0] / p.shape[1] for p in pictures), default=1.0)
    wide = 1 + _GAP
    unit = _WIDTH / (_COLUMNS * wide)  # inches of an image that is 1 wide
    text = _LINES * 0.135 / unit + 0.08
    rows = max(1, math.ceil(len(errors) / _COLUMNS))
    if ax is None:
        height = rows * (ratio + text) * unit if errors else 0.5
        ax = new_figure(_WIDTH, height + 0.65, look).subplots()
    for i, (picture, error) in enumerate(zip(pictures, errors, strict=True)):
        left, top = i % _COLUMNS * wide, -(i // _COLUMNS) * (ratio + text)
        here = picture.shape[0] / picture.shape[1]
        extent = (left, left + 1, top - here, top)
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="nearest")
        ax.text(
            left + 0.5, top - ratio - 0.04, _reason(error, classes), ha="center", va="top",
            fontsize=7, color=look.ink, linespacing=1.15, parse_math=False,
        )  # fmt: skip
    ax.set_xlim(-_GAP / 2, _COLUMNS * wide - _GAP / 2)
    ax.set_ylim(-rows * (ratio + text), 0.04)
    ax.set_aspect("equal")
    ax.set_axis_off()
    said = f"{title}\n{ORDER}" if errors and title else title or (ORDER if errors else "")
    set_title(ax, said, look, 9)
    if not errors:
        ax.text(
            0.5, 0.5, "no image was misclassified", transform=ax.transAxes, ha="center",
            va="center", color=look.ink, fontsize=9,
        )  # fmt: skip
    return ax


def _reason(error: Mistake, classes: Sequence[str]) -> str:
    true, said = (_name(value, classes) for value in (error.true, error.predicted))
    why = f"loss {error.loss:.1f}: said {said}\nwith {_percent(error.probability)}"
    return f"no. {error.index}: is {true}\n{why}"


def _name(value: int | str, classes: Sequence[str]) -> str:
    name = classes[value] if isinstance(value, (int, np.integer)) and classes else str(value)
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3]}..."


def _percent(probability: float) -> str:
    """Never 100 % of what is less."""
    if 0.99995 <= probability < 1:
        return "over 99.99 %"
    return f"{100 * probability:.2f} %"
