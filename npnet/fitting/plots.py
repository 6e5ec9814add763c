"""The pictures of a fit: the two functions with what lies between them, and the losses."""

from __future__ import annotations

from collections.abc import Sequence

from npnet.base.arrays import Array
from npnet.fitting.progress import Record
from npnet.fitting.samples import Samples
from npnet.plots.style import (
    dress,
    encode,
    head,
    legend,
    line_style,
    new_figure,
    style_of,
    whole_epochs,
)

__all__ = ["curves_png", "fit_png"]


MARKED = 64  # samples or epochs, above which their marks would hide the curves


def fit_png(samples: Samples, fit: Array, title: str) -> bytes:
    """Function, samples and fit, and below them fit minus function, as a PNG.

    Args:
        fit: the network's values on the grid.
    """
    look = style_of("light")
    figure = new_figure(8, 6, look)
    head(figure, title, look)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    few = len(samples.x) <= MARKED
    above.plot(
        samples.x,
        samples.y,
        "o",
        color=look.ink,
        markersize=4 if few else 2,
        alpha=0.7 if few else 0.35,
        label=f"{len(samples.x):,} samples",
    )
    function, network, *_ = look.colours
    above.plot(
        samples.grid_x, samples.grid_y, color=function, linewidth=3, alpha=0.5, label="function"
    )
    above.plot(samples.grid_x, fit, "--", color=network, linewidth=1.4, label="network")
    above.set_ylabel("f(x)")
    below.axhline(0, color=look.pale, linewidth=0.8)
    below.plot(samples.grid_x, fit - samples.grid_y, color=network, linewidth=1)
    below.set(xlabel="x", ylabel="network - function")
    for axes in (above, below):
        dress(axes, look)
        axes.margins(x=0.01)
    legend(above, look)
    figure.align_ylabels()
    return encode(figure)


def curves_png(history: Sequence[Record], best_epoch: int, title: str) -> bytes:
    """Both mean squared errors by epoch on a logarithmic scale, and the learning rate, as a PNG.

    Args:
        best_epoch: marked by a line.
    """
    look = style_of("light")
    figure = new_figure(8, 5, look)
    head(figure, title, look)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    epochs = [record.epoch for record in history]
    marks = {} if len(epochs) <= MARKED else {"marker": ""}
    first, second, third = ({**line_style(i, look), **marks} for i in range(3))
    above.plot(epochs, [r.train_loss for r in history], label="samples", **first)
    above.plot(epochs, [r.val_loss for r in history], label="dense grid", **second)
    above.axvline(best_epoch, color=look.pale, linewidth=1.2, linestyle=":", label="best epoch")
    above.set(ylabel="mean squared error", yscale="log")
    below.plot(epochs, [r.learning_rate for r in history], **third)
    below.set(ylabel="learning rate", ylim=(0, None))
    for axes in (above, below):
        dress(axes, look)
        axes.margins(x=0.01)
    whole_epochs(below, epochs)
    legend(above, look)
    figure.align_ylabels()
    return encode(figure)
