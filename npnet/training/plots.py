"""The pictures of a training run: learning curves and the worst errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from npnet.base.arrays import Array
from npnet.runs.plots import png_bytes
from npnet.training.metrics import Epoch, Misclassified

__all__ = ["curves_png", "errors_png"]


def curves_png(history: Sequence[Epoch], best_epoch: int, title: str) -> bytes:
    """Loss and accuracy of training and validation by epoch, as a PNG.

    Args:
        best_epoch: marked by a line.
    """
    from matplotlib.figure import Figure  # without pyplot: no window, no global state
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    figure.suptitle(title, parse_math=False)  # a name may have dollar signs
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
    return png_bytes(figure)


def errors_png(
    x: Array, errors: Sequence[Misclassified], classes: Sequence[str], title: str
) -> bytes:
    """Misclassified images, each with true and predicted class and the latter's probability.

    Where there are none, the picture says so.

    Args:
        x: (N, C, H, W), the split that `errors` index; grey or colour, uint8 or float.
    """
    from matplotlib.figure import Figure

    columns = 6
    rows = max(1, -(-len(errors) // columns))
    height = x.shape[2] / x.shape[3]  # of an image that is 1 wide
    names_height = 0.36
    cell_width, cell_height = 1.25, height + names_height
    inches = 9 / (columns * cell_width)
    picture_height = rows * cell_height * inches if errors else 0.5
    figure = Figure(figsize=(9, picture_height + 0.5))
    figure.suptitle(title, y=1 - 0.12 / figure.get_figheight(), va="top", parse_math=False)
    axes = figure.add_axes(
        (0, 0.1 / figure.get_figheight(), 1, picture_height / figure.get_figheight())
    )
    for i, error in enumerate(errors):
        left, top = i % columns * cell_width, -(i // columns) * cell_height
        extent = (left, left + 1, top - height, top)
        axes.imshow(_picture(x[error.index]), cmap="gray", vmin=0, vmax=1, extent=extent)
        names = f"{classes[error.true]} \N{RIGHTWARDS ARROW} {classes[error.predicted]}"
        axes.text(
            left + 0.5,
            top + 0.03,
            f"{names}\n{100 * error.probability:.1f} %",
            ha="center",
            va="bottom",
            fontsize=8,
        )
    axes.set_xlim(-0.125, columns * cell_width - 0.125)
    axes.set_ylim(names_height - rows * cell_height, names_height)
    axes.set_axis_off()
    if not errors:
        axes.text(0.5, 0.5, "no image was misclassified", transform=axes.transAxes, ha="center")
    return png_bytes(figure)


def _picture(image: Array) -> Array:
    """(C, H, W) as Matplotlib takes it, from 0 to 1: (H, W) grey, (H, W, 3) in colour.

    Floats beyond 0 to 1 have no known white: the image's least becomes 0, its largest 1.
    """
    x = image.astype(np.float64)
    if image.dtype == np.uint8:
        x /= 255
    elif x.min() < 0 or x.max() > 1:
        x = (x - x.min()) / max(np.ptp(x), np.finfo(float).tiny)
    return x[0] if len(x) == 1 else x.transpose(1, 2, 0)
