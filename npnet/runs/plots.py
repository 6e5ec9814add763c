"""What the pictures of runs and of comparisons share."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet.base.arrays import Array

__all__ = ["confusion_png", "png_bytes"]


def png_bytes(figure: Any) -> bytes:
    """A figure of matplotlib as a PNG."""
    data = io.BytesIO()
    with warnings.catch_warnings():  # the name of a data set may have letters that no font has
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure.savefig(data, format="png", dpi=120)
    return data.getvalue()


def confusion_png(counts: Array, classes: Sequence[str], title: str) -> bytes:
    """How often each class (row) was taken for each (column), as a PNG.

    Args:
        counts: (classes, classes), see `metrics.confusion_matrix`.
    """
    from matplotlib.figure import Figure

    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure = Figure(figsize=(7, 6.4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if len(classes) <= 20:  # numbers would not be readable in smaller cells
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if share[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
    long_names = max(map(len, classes)) > 2
    ticks = np.arange(len(classes))
    axes.set_xticks(
        ticks, classes, rotation=45 if long_names else 0, ha="right" if long_names else "center"
    )
    axes.set_yticks(ticks, classes)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(title, parse_math=False)
    return png_bytes(figure)
