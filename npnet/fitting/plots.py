"""The pictures of a fit: the two functions with what lies between them, and the losses."""

from __future__ import annotations

from collections.abc import Sequence

from npnet.base.arrays import Array
from npnet.fitting.progress import Record
from npnet.fitting.samples import Samples
from npnet.runs.plots import png_bytes

__all__ = ["curves_png", "fit_png"]


MARKED = 64  # samples, above which their marks would hide the curves


def fit_png(samples: Samples, fit: Array, title: str) -> bytes:
    """Function, samples and fit, and below them fit minus function, as a PNG.

    Args:
        fit: the network's values on the grid.
    """
    from matplotlib.figure import Figure  # without pyplot: no window, no global state

    figure = Figure(figsize=(8, 6), layout="constrained")
    figure.suptitle(title)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    few = len(samples.x) <= MARKED
    above.plot(
        samples.x,
        samples.y,
        "o",
        color="black",
        markersize=4 if few else 2,
        alpha=0.7 if few else 0.35,
        label=f"{len(samples.x):,} samples",
    )
    above.plot(samples.grid_x, samples.grid_y, color="C0", linewidth=3, alpha=0.5, label="function")
    above.plot(samples.grid_x, fit, "--", color="C3", linewidth=1.4, label="network")
    above.set_ylabel("f(x)")
    above.legend()
    below.axhline(0, color="grey", linewidth=0.8)
    below.plot(samples.grid_x, fit - samples.grid_y, color="C3", linewidth=1)
    below.set(xlabel="x", ylabel="network - function")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.margins(x=0.01)
    figure.align_ylabels()
    return png_bytes(figure)


def curves_png(history: Sequence[Record], best_epoch: int, title: str) -> bytes:
    """Both mean squared errors by epoch on a logarithmic scale, and the learning rate, as a PNG.

    Args:
        best_epoch: marked by a line.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    figure.suptitle(title)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    epochs = [record.epoch for record in history]
    above.plot(epochs, [r.train_loss for r in history], linewidth=1.4, label="samples")
    above.plot(epochs, [r.val_loss for r in history], "--", linewidth=1.4, label="dense grid")
    above.axvline(best_epoch, color="grey", linewidth=0.8, linestyle=":", label="best epoch")
    above.set(ylabel="mean squared error", yscale="log")
    above.legend()
    below.plot(epochs, [r.learning_rate for r in history], color="C2", linewidth=1.4)
    below.set(xlabel="epoch", ylabel="learning rate", ylim=(0, None))
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.margins(x=0.01)
    figure.align_ylabels()
    return png_bytes(figure)
