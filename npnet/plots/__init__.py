"""Figures of networks and runs: functions that take and return axes of matplotlib.

    axes = npnet.plots.plot_filters(model.conv1.weight)
    npnet.plots.save(axes, "filters.png")

Each draws on `ax`, or on axes of a new figure where none is given; `style` is "light" or "dark".
`explain` has the arrays that are drawn: what a network saw in an image, and where it looked.
"""

from npnet.plots.explain import (
    feature_maps,
    input_gradient,
    occlusion,
    probabilities,
    saliency,
)
from npnet.plots.explanation import explanation, plot_probabilities
from npnet.plots.images import (
    as_picture,
    plot_feature_maps,
    plot_filters,
    plot_occlusion,
    plot_picture,
    plot_saliency,
)
from npnet.plots.style import encode, save

__all__ = [
    "as_picture",
    "encode",
    "explanation",
    "feature_maps",
    "input_gradient",
    "occlusion",
    "plot_feature_maps",
    "plot_filters",
    "plot_occlusion",
    "plot_picture",
    "plot_probabilities",
    "plot_saliency",
    "probabilities",
    "saliency",
    "save",
]
