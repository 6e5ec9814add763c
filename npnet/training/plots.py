"""The pictures of a run: learning curves and the confusion matrix."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.training.metrics import Epoch

__all__ = ["confusion_png", "curves_png"]

Array: TypeAlias = npt.NDArray[Any]


def _png(figure: Any) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=120)
    return data.getvalue()


def curves_png(history: Sequence[Epoch], best_epoch: int, title: str) -> bytes:
    """Loss and accuracy of training and validation by epoch, as a PNG.

    Args:
        best_epoch: marked by a line.
    """
    from matplotlib.figure import Figure  # without pyplot: no window, no global state
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    figure.suptitle(title)
    epochs = [e.epoch for e in history]
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for split, style in (("train", "o-"), ("val", "s-")):
            values = [getattr(e, f"{split}_{name}") for e in history]
            if not np.isnan(values).all():
                label = "training" if split == "train" else "validation"
                axes.plot(epochs, values, style, markersize=3, label=label)
        axes.axvline(best_epoch, color="grey", linewidth=0.8, linestyle=":", label="best epoch")
        axes.set_xlabel("epoch")
        axes.set_ylabel(f"{name} (%)" if name == "accuracy" else name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    return _png(figure)


def confusion_png(y: Array, predicted: Array, classes: Sequence[str], title: str) -> bytes:
    """How often each class (row) was taken for each (column), as a PNG.

    Args:
        y, predicted: (n,), true and predicted class numbers.
    """
    from matplotlib.figure import Figure

    n = len(classes)
    counts = np.bincount(n * y + predicted, minlength=n * n).reshape(n, n)
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
    axes.set(xlabel="predicted", ylabel="true", title=title)
    return _png(figure)
