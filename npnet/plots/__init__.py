"""Figures of networks and runs: functions that take and return axes of matplotlib.

    axes = npnet.plots.plot_filters(model.conv1.weight)
    npnet.plots.save(axes, "filters.png")

Each draws on `ax`, or on axes of a new figure where none is given; `style` is "light" or "dark".
`explain` has the arrays that are drawn: what a network saw in an image, and where it looked.
"""

from npnet.plots.confusion import plot_confusion
from npnet.plots.curves import Curves, curves, plot_curves
from npnet.plots.errors import plot_errors
from npnet.plots.explain import (
    feature_maps,
    input_gradient,
    occlusion,
    probabilities,
    saliency,
)
from npnet.plots.explanation import explanation, layers, plot_probabilities, saliencies
from npnet.plots.histograms import histograms, plot_histograms
from npnet.plots.images import (
    as_picture,
    first_filters,
    plot_feature_maps,
    plot_filters,
    plot_occlusion,
    plot_picture,
    plot_saliency,
)
from npnet.plots.style import encode, save

__all__ = [
    "Curves",
    "as_picture",
    "curves",
    "encode",
    "explanation",
    "feature_maps",
    "first_filters",
    "histograms",
    "input_gradient",
    "layers",
    "occlusion",
    "plot_confusion",
    "plot_curves",
    "plot_errors",
    "plot_feature_maps",
    "plot_filters",
    "plot_histograms",
    "plot_occlusion",
    "plot_picture",
    "plot_probabilities",
    "plot_saliency",
    "probabilities",
    "saliencies",
    "saliency",
    "save",
]
