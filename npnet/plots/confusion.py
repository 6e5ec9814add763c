"""The confusion matrix, in which errors are seen however few they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.plots.style import Style, colour_map, dress, new_figure, style_of

__all__ = ["plot_confusion"]

_NUMBERED = 20  # classes, above which numbers would not be readable in the cells
_LEAST_SCALE = 0.001  # of a class, that the strongest orange stands for at least
_LEVEL = 60  # letters of all classes that fit side by side
_LONGEST = 22  # letters of a class


def plot_confusion(
    counts: Array,
    classes: Sequence[str],
    ax: Any = None,
    *,
    title: str = "",
    style: str | Style = "light",
) -> Any:
    """How often each class (row) was taken for each (column).

    The diagonal is blue by the share of its class that was recognised; errors are orange on a scale
    of their own, the strongest of them the most frequent, and a square root brings out the rare.
    Returns the axes.

    Args:
        counts: (classes, classes), see `metrics.confusion_matrix`.

    Example:
        >>> from npnet import plots
        >>> ax = plots.plot_confusion(np.array([[5, 1], [0, 6]]), ["cat", "dog"], title="test")
        >>> [label.get_text() for label in ax.get_xticklabels()]
        ['cat', 'dog']
    """
    counts = np.asarray(counts)
    n = len(classes)
    if counts.shape != (n, n):
        raise ShapeError(
            f"plot_confusion: {n} classes have counts of ({n}, {n}), got {counts.shape}"
        )
    look = style_of(style)
    if ax is None:
        side = max(5.6, min(0.16 * n + 1.6, 14.0))
        ax = new_figure(side + 0.2, side + 0.2, look).subplots()
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    errors = np.where(np.eye(n, dtype=bool), 0.0, share)
    most = max(float(errors.max(initial=0.0)), _LEAST_SCALE)
    right = colour_map(look.signs[len(look.signs) // 2 :: -1])(np.diag(share))
    colours = colour_map(look.signs[len(look.signs) // 2 :])(np.sqrt(errors / most) * 0.85)
    colours[np.arange(n), np.arange(n)] = right
    ax.imshow(colours, interpolation="nearest")
    if n <= _NUMBERED:
        _numbers(ax, counts, colours)
    _names(ax, [_short(name) for name in classes])
    found = "no errors"
    if errors.any():
        found = f"orange: errors, the strongest {100 * errors.max():.2g} % of a class"
    ax.set(xlabel=f"predicted\n(blue: recognised; {found})", ylabel="true")
    dress(ax, look, title, grid="none")
    ax.xaxis.label.set_fontsize(8)
    if n > _NUMBERED:
        ax.tick_params(labelsize=max(2.5, min(7, 520 / n)), length=2)
    return ax


def _numbers(ax: Any, counts: Array, colours: Array) -> None:
    """The counts; a 0 is left out, so that the others are seen."""
    size = 8 if len(counts) <= 12 and counts.max() < 10**5 else 6
    for (row, column), count in np.ndenumerate(counts):
        if count:
            bright = float(colours[row, column, :3] @ (0.299, 0.587, 0.114))
            ink = "#1a1a1a" if bright > 0.5 else "#ffffff"
            ax.text(column, row, str(count), ha="center", va="center", color=ink, fontsize=size)


def _names(ax: Any, names: Sequence[str]) -> None:
    at, longest = np.arange(len(names)), max(map(len, names))
    slant: dict[str, Any] = {}
    if longest * len(names) > _LEVEL or len(names) > _NUMBERED:
        slant = {"rotation": 90 if longest > 2 else 0, "va": "top"}
        if len(names) <= _NUMBERED:
            slant = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(at, names, parse_math=False, **slant)
    ax.set_yticks(at, names, parse_math=False)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3]}..."
