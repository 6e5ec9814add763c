"""What the pictures of runs and of comparisons share."""

from __future__ import annotations

from collections.abc import Sequence

from npnet.base.arrays import Array
from npnet.plots.confusion import plot_confusion
from npnet.plots.style import encode

__all__ = ["confusion_png"]


def confusion_png(counts: Array, classes: Sequence[str], title: str) -> bytes:
    """How often each class (row) was taken for each (column), as a PNG.

    Args:
        counts: (classes, classes), see `metrics.confusion_matrix`.
    """
    return encode(plot_confusion(counts, classes, title=title))
