"""Max pooling of images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from npnet.grading.kinds.base import Outputs, Sample
from npnet.grading.kinds.pool import (
    ADD_UP,
    ASSIGNS,
    STRIDE,
    assigns,
    back,
    maxima,
    mean_share,
    mistake,
    other,
    pool_kind,
    whole,
    windows_of,
    winners,
)
from npnet.grading.kinds.windows import columns, window_of
from npnet.nn import functional as F

__all__ = ["MAX_POOL2D"]


def _stride_is(stride: str) -> Callable[[Sample], Outputs]:
    """The output where the stride is not heeded."""

    def compute(s: Sample) -> Outputs:
        step = s.init["kernel_size"] if stride == "kernel" else 1
        return {"y": columns(s.x, window_of({**s.init, "stride": step}), -np.inf).max((4, 5))}

    return compute


_MAX_MISTAKES = (
    mistake(
        "ties-all",
        "every maximum of a window gets the whole gradient, where several are equal",
        "one place gets it: the first in row-major order (argmax), as in PyTorch",
        back(maxima),
    ),
    mistake(
        "ties-shared",
        "equal maxima of a window share the gradient",
        "one place gets it: the first in row-major order (argmax), as in PyTorch",
        back(lambda w: maxima(w) / maxima(w).sum((4, 5), keepdims=True)),
    ),
    mistake(
        "ties-last",
        "the last of equal maxima gets the gradient",
        "the first in row-major order (argmax) gets it, as in PyTorch: > and not >=",
        back(lambda w: winners(w, last=True)),
    ),
    mistake(
        "scatter-assigns",
        "the gradient of x is written with = where += belongs: right only where windows do not "
        "overlap",
        ADD_UP,
        back(winners, assign=True),
    ),
    mistake(
        "scatter-assigns-chosen",
        "the gradient of x is written with = where += belongs: right only where no pixel is the "
        "maximum of several windows",
        ADD_UP,
        lambda s: _chosen(s),
    ),
    mistake(
        "stride-missing-in-gx",
        "backward puts the gradients of windows one pixel apart: the stride is missing",
        STRIDE,
        back(winners, apart=1),
    ),
    mistake(
        "kernel-for-stride-in-gx",
        "backward puts the gradients of windows a window apart: it takes the kernel's size for "
        "the stride",
        STRIDE,
        lambda s: back(winners, apart=s.init["kernel_size"])(s),
    ),
    mistake(
        "gradient-to-all",
        "the whole window gets the gradient, and not its maximum alone",
        "keep where the maximum was, and give it to that place",
        back(whole),
    ),
    mistake(
        "gradient-spread",
        "the window shares the gradient, as in a mean",
        "keep where the maximum was, and give it to that place",
        back(mean_share),
    ),
    mistake(
        "zero-padding",
        "the padding is 0, and wins over values below 0",
        "pad with -inf: padding is never the maximum",
        other(lambda w: w.max((4, 5)), winners),
    ),
    mistake(
        "mean-for-maximum",
        "forward takes the mean",
        "take the maximum of each window",
        other(lambda w: w.mean((4, 5)), mean_share),
    ),
    mistake(
        "minimum",
        "forward takes the minimum",
        "take the maximum of each window",
        other(lambda w: w.min((4, 5)), lambda w: winners(-w)),
    ),
    mistake(
        "stride-is-kernel",
        "forward takes the kernel's size for the stride",
        STRIDE,
        _stride_is("kernel"),
    ),
    mistake("stride-is-one", "forward leaves the stride out", STRIDE, _stride_is("one")),
    mistake(
        "padding-cut-wrongly",
        "the gradient of x is cut from the corner of the padded image",
        "cut the padding off on both sides",
        back(winners, crop="first"),
    ),
    mistake(
        "padding-not-cut",
        "the gradient of x has still its padding",
        "cut the padding off on both sides",
        back(winners, crop="all"),
    ),
    mistake("scatter-assigns", ASSIGNS, ADD_UP, assigns(winners)),
    mistake("scatter-assigns", ASSIGNS, ADD_UP, assigns(maxima)),
)


def _chosen(s: Sample) -> Outputs:
    """Only the winners' places are written to, each by the last window that it won."""
    if s.gy is None:
        return {}
    window, chosen = window_of(s.init), winners(windows_of(s))
    n, c, h, w = s.x.shape
    p = s.init.get("padding", 0)
    image = np.zeros((n, c, h + 2 * p, w + 2 * p))
    (kh, kw), (sh, sw) = window.kernel, window.stride
    for i in range(chosen.shape[2]):
        for j in range(chosen.shape[3]):
            place = image[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw]
            won = chosen[:, :, i, j] > 0
            place[won] = np.broadcast_to(s.gy[:, :, i, j, None, None], won.shape)[won]
    return {"gx": image[:, :, p : p + h, p : p + w]}


MAX_POOL2D = pool_kind("max_pool2d", ("maxpool", "maxpooling"), F.max_pool2d, _MAX_MISTAKES)
