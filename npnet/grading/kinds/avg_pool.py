"""Mean pooling of images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from npnet.base.arrays import Array
from npnet.grading.kinds.base import Outputs, Sample
from npnet.grading.kinds.pool import (
    ADD_UP,
    ASSIGNS,
    STRIDE,
    assigns,
    back,
    mean_share,
    mistake,
    other,
    pool_kind,
    whole,
    winners,
)
from npnet.grading.kinds.windows import columns, scattered, window_of
from npnet.nn import functional as F

__all__ = ["AVG_POOL2D"]


def _divided(by: Callable[[int], float]) -> Callable[[Array], Array]:
    return lambda w: whole(w) / by(w.shape[4])


def _uncounted(s: Sample) -> Outputs:
    """Padding is not counted: each window is divided by how many of its pixels are the image's."""
    window = window_of(s.init)
    count = columns(np.ones_like(s.x), window).sum((4, 5))
    y = columns(s.x, window).sum((4, 5)) / count
    if s.gy is None:
        return {"y": y}
    parts = whole(columns(s.x, window)) * (s.gy / count)[..., None, None]
    return {"y": y, "gx": scattered(parts, window, s.x.shape)}


def _mean_at(stride: str) -> Callable[[Sample], Outputs]:
    def compute(s: Sample) -> Outputs:
        step = s.init["kernel_size"] if stride == "kernel" else 1
        return {"y": columns(s.x, window_of({**s.init, "stride": step})).mean((4, 5))}

    return compute


_AVG_MISTAKES = (
    mistake(
        "not-divided",
        "forward adds up and does not divide",
        "divide by the number of pixels of a window, K * K",
        other(lambda w: w.sum((4, 5)), whole),
    ),
    mistake(
        "not-divided-in-gx",
        "backward does not divide by the number of pixels of a window",
        "each pixel gets gy / (K * K)",
        back(whole),
    ),
    mistake(
        "divided-by-side",
        "backward divides by the side of a window, K, and not by K * K",
        "each pixel gets gy / (K * K)",
        back(_divided(lambda k: k)),
    ),
    mistake(
        "divided-twice",
        "backward divides twice by the number of pixels",
        "each pixel gets gy / (K * K)",
        back(_divided(lambda k: k**4)),
    ),
    mistake(
        "scatter-assigns",
        "the gradient of x is written with = where += belongs: right only where windows do not "
        "overlap",
        ADD_UP,
        back(mean_share, assign=True),
    ),
    mistake(
        "stride-missing-in-gx",
        "backward puts the gradients of windows one pixel apart: the stride is missing",
        STRIDE,
        back(mean_share, apart=1),
    ),
    mistake(
        "kernel-for-stride-in-gx",
        "backward takes the kernel's size for the stride",
        STRIDE,
        lambda s: back(mean_share, apart=s.init["kernel_size"])(s),
    ),
    mistake(
        "gradient-to-one",
        "backward gives the gradient to the largest pixel, as a maximum does",
        "each pixel gets gy / (K * K)",
        back(winners),
    ),
    mistake(
        "padding-not-counted",
        "the mean is that of the image's pixels alone: padding is not counted",
        "divide by K * K everywhere, as in PyTorch (count_include_pad)",
        _uncounted,
    ),
    mistake(
        "maximum-for-mean",
        "forward takes the maximum",
        "take the mean of each window",
        other(lambda w: w.max((4, 5)), winners),
    ),
    mistake(
        "stride-is-kernel",
        "forward takes the kernel's size for the stride",
        STRIDE,
        _mean_at("kernel"),
    ),
    mistake("stride-is-one", "forward leaves the stride out", STRIDE, _mean_at("one")),
    mistake(
        "padding-cut-wrongly",
        "the gradient of x is cut from the corner of the padded image",
        "cut the padding off on both sides",
        back(mean_share, crop="first"),
    ),
    mistake(
        "padding-not-cut",
        "the gradient of x has still its padding",
        "cut the padding off on both sides",
        back(mean_share, crop="all"),
    ),
    mistake("scatter-assigns", ASSIGNS, ADD_UP, assigns(mean_share)),
)


AVG_POOL2D = pool_kind(
    "avg_pool2d",
    ("avgpool", "averagepool", "meanpool", "avgpooling", "averagepooling"),
    F.avg_pool2d,
    _AVG_MISTAKES,
)
