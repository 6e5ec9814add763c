"""The pictures of a training run: learning curves and the worst errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from npnet.base.arrays import Array
from npnet.plots.curves import Curves, curves
from npnet.plots.errors import plot_errors
from npnet.plots.style import encode
from npnet.training.metrics import Epoch, Misclassified

__all__ = ["curves_png", "errors_png"]

_COLUMNS = ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy")


def curves_png(history: Sequence[Epoch], best_epoch: int, title: str, criterion: str = "") -> bytes:
    """Loss and accuracy of training and validation by epoch, as a PNG.

    Args:
        best_epoch: marked by a line.
        criterion: what the loss is; not said where it is not known.
    """
    columns = {name: np.array([getattr(e, name) for e in history]) for name in _COLUMNS}
    return encode(curves([Curves("", columns, criterion, best_epoch)], title))


def errors_png(
    images: Sequence[Array], errors: Sequence[Misclassified], classes: Sequence[str], title: str
) -> bytes:
    """Misclassified images, each with its classes and the reason of its place, as a PNG.

    Args:
        images: (C, H, W), of each error; grey or colour, uint8 or float.
    """
    return encode(plot_errors(images, errors, classes, title=title))
