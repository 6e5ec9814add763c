"""Pools of images: the maximum and the mean of windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.grading.jobs import Call
from npnet.grading.kinds.base import (
    Case,
    Kind,
    Mistake,
    Outputs,
    Sample,
    by_tape,
    each,
    gradient_mistakes,
    made,
)
from npnet.grading.kinds.windows import columns, output_size, scattered, window_of
from npnet.nn import functional as F

__all__ = ["AVG_POOL2D", "MAX_POOL2D"]

_REQUIRED = ("kernel_size",)


def _init(k: int, **more: int) -> dict[str, Any]:
    return {"kernel_size": k, **more}


_ROWS = (
    ("plain", "plain", "x (2, 3, 6, 6), windows of 2", _init(2), (2, 3, 6, 6)),
    ("unequal", "sizes", "images of 4 x 8", _init(2), (2, 2, 4, 8)),
    ("rest", "sizes", "odd sizes: a row and a column are left over", _init(2), (2, 2, 5, 7)),
    ("three", "sizes", "windows of 3", _init(3), (2, 2, 6, 9)),
    ("overlap", "stride", "stride 2, windows of 3", _init(3, stride=2), (2, 2, 7, 9)),
    ("dense", "stride", "stride 1, windows of 2", _init(2, stride=1), (2, 2, 4, 5)),
    ("gaps", "stride", "stride 3, windows of 2", _init(2, stride=3), (2, 2, 8, 6)),
    ("square", "stride", "stride 2, square images", _init(3, stride=2), (2, 2, 7, 7)),
    ("padding", "padding", "padding 1", _init(3, stride=2, padding=1), (2, 2, 5, 7)),
    ("one", "batch_of_one", "a batch of 1", _init(2), (1, 3, 4, 4)),
    ("strided", "strided", "a strided input", _init(2), (2, 3, 4, 4)),
    ("float32", "float32", "float32", _init(2), (2, 3, 4, 4)),
    ("again", "again", "a second call", _init(2), (2, 3, 4, 4)),
    ("derivative", "derivative", "finite differences", _init(2), (2, 3, 4, 4)),
)
_TIES = ("ties", "ties", "equal values in a window", _init(2), (2, 2, 4, 6))


def _defaults(init: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"stride": init["kernel_size"], "padding": 0}


def _cases(kind: str) -> tuple[Case, ...]:
    shapes: Mapping[str, tuple[int, ...]] = {}
    if kind == "avg_pool2d":
        return made(kind, _REQUIRED, output_size, lambda init: shapes, _ROWS, _defaults)
    cases = made(kind, _REQUIRED, output_size, lambda init: shapes, (*_ROWS, _TIES), _defaults)
    below, ties = [], cases[-1]
    for case in cases[:-1]:  # padding with 0 is seen where all values are below 0
        if "padding" in case.tags:
            calls = tuple(replace(c, x=c.x - 9) for c in case.job.calls if c.x is not None)
            case = replace(case, job=replace(case.job, calls=calls))
        below.append(case)
    call = ties.job.calls[0]
    assert call.x is not None
    equal = Call(np.round(call.x), call.gy)
    return (*below, replace(ties, job=replace(ties.job, calls=(equal,))))


def _windows(s: Sample, value: float = -np.inf) -> Array:
    return columns(s.x, window_of(s.init), value)


def _winners(windows: Array, last: bool = False) -> Array:
    """1 at the first, or last, maximum of each window, 0 elsewhere."""
    flat = windows.reshape(*windows.shape[:4], -1)
    at = flat.shape[-1] - 1 - flat[..., ::-1].argmax(-1) if last else flat.argmax(-1)
    return np.eye(flat.shape[-1])[at].reshape(windows.shape)


def _back(
    share: Callable[[Array], Array], **scatter: Any
) -> Callable[[Sample], Outputs]:
    """gx, where `share` says of each window which of its places gets what part of gy."""

    def compute(s: Sample) -> Outputs:
        if s.gy is None:
            return {}
        parts = share(_windows(s)) * s.gy[..., None, None]
        return {"gx": scattered(parts, window_of(s.init), s.x.shape, **scatter)}

    return compute


def _other(
    compute: Callable[[Array], Array], share: Callable[[Array], Array]
) -> Callable[[Sample], Outputs]:
    """Another output of windows whose padding is 0, with its own gradient."""

    def both(s: Sample) -> Outputs:
        windows = _windows(s, 0)
        y = compute(windows)
        if s.gy is None:
            return {"y": y}
        parts = share(windows) * s.gy[..., None, None]
        return {"y": y, "gx": scattered(parts, window_of(s.init), s.x.shape)}

    return both


def _stride_is(stride: str) -> Callable[[Sample], Outputs]:
    """The output where the stride is not heeded."""

    def compute(s: Sample) -> Outputs:
        step = s.init["kernel_size"] if stride == "kernel" else 1
        return {"y": columns(s.x, window_of({**s.init, "stride": step}), -np.inf).max((4, 5))}

    return compute


def _mistake(name: str, says: str, fix: str, compute: Callable[[Sample], Outputs]) -> Mistake:
    return Mistake(name, says, fix, each(compute))


def _maxima(windows: Array) -> Array:
    return (windows == windows.max((4, 5), keepdims=True)) * 1.0


def _all(windows: Array) -> Array:
    return np.ones(windows.shape)


def _mean(windows: Array) -> Array:
    return _all(windows) / (windows.shape[4] * windows.shape[5])


_ADD_UP = "a pixel lies in several windows: add up what each brings, +="
_STRIDE = "the window of y[i, j] begins at x[i * stride, j * stride]"
_MAX_MISTAKES = (
    _mistake(
        "ties-all",
        "every maximum of a window gets the whole gradient, where several are equal",
        "one place gets it: the first in row-major order (argmax), as in PyTorch",
        _back(_maxima),
    ),
    _mistake(
        "ties-shared",
        "equal maxima of a window share the gradient",
        "one place gets it: the first in row-major order (argmax), as in PyTorch",
        _back(lambda w: _maxima(w) / _maxima(w).sum((4, 5), keepdims=True)),
    ),
    _mistake(
        "ties-last",
        "the last of equal maxima gets the gradient",
        "the first in row-major order (argmax) gets it, as in PyTorch: > and not >=",
        _back(lambda w: _winners(w, last=True)),
    ),
    _mistake(
        "scatter-assigns",
        "the gradient of x is written with = where += belongs: right only where windows do not "
        "overlap",
        _ADD_UP,
        _back(_winners, assign=True),
    ),
    _mistake(
        "scatter-assigns-chosen",
        "the gradient of x is written with = where += belongs: right only where no pixel is the "
        "maximum of several windows",
        _ADD_UP,
        lambda s: _chosen(s),
    ),
    _mistake(
        "stride-missing-in-gx",
        "backward puts the gradients of windows one pixel apart: the stride is missing",
        _STRIDE,
        _back(_winners, apart=1),
    ),
    _mistake(
        "kernel-for-stride-in-gx",
        "backward puts the gradients of windows a window apart: it takes the kernel's size for "
        "the stride",
        _STRIDE,
        lambda s: _back(_winners, apart=s.init["kernel_size"])(s),
    ),
    _mistake(
        "gradient-to-all",
        "the whole window gets the gradient, and not its maximum alone",
        "keep where the maximum was, and give it to that place",
        _back(_all),
    ),
    _mistake(
        "gradient-spread",
        "the window shares the gradient, as in a mean",
        "keep where the maximum was, and give it to that place",
        _back(_mean),
    ),
    _mistake(
        "zero-padding",
        "the padding is 0, and wins over values below 0",
        "pad with -inf: padding is never the maximum",
        _other(lambda w: w.max((4, 5)), _winners),
    ),
    _mistake(
        "mean-for-maximum",
        "forward takes the mean",
        "take the maximum of each window",
        _other(lambda w: w.mean((4, 5)), _mean),
    ),
    _mistake(
        "minimum",
        "forward takes the minimum",
        "take the maximum of each window",
        _other(lambda w: w.min((4, 5)), lambda w: _winners(-w)),
    ),
    _mistake(
        "stride-is-kernel",
        "forward takes the kernel's size for the stride",
        _STRIDE,
        _stride_is("kernel"),
    ),
    _mistake("stride-is-one", "forward leaves the stride out", _STRIDE, _stride_is("one")),
    _mistake(
        "padding-cut-wrongly",
        "the gradient of x is cut from the corner of the padded image",
        "cut the padding off on both sides",
        _back(_winners, crop="first"),
    ),
    _mistake(
        "padding-not-cut",
        "the gradient of x has still its padding",
        "cut the padding off on both sides",
        _back(_winners, crop="all"),
    ),
)


def _chosen(s: Sample) -> Outputs:
    """Only the winners' places are written to, each by the last window that it won."""
    if s.gy is None:
        return {}
    window, winners = window_of(s.init), _winners(_windows(s))
    n, c, h, w = s.x.shape
    p = s.init.get("padding", 0)
    image = np.zeros((n, c, h + 2 * p, w + 2 * p))
    (kh, kw), (sh, sw) = window.kernel, window.stride
    for i in range(winners.shape[2]):
        for j in range(winners.shape[3]):
            place = image[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw]
            won = winners[:, :, i, j] > 0
            place[won] = np.broadcast_to(s.gy[:, :, i, j, None, None], won.shape)[won]
    return {"gx": image[:, :, p : p + h, p : p + w]}


def _divided(by: Callable[[int], float]) -> Callable[[Array], Array]:
    return lambda w: _all(w) / by(w.shape[4])


def _uncounted(s: Sample) -> Outputs:
    """Padding is not counted: each window is divided by how many of its pixels are the image's."""
    window = window_of(s.init)
    count = columns(np.ones_like(s.x), window).sum((4, 5))
    y = columns(s.x, window).sum((4, 5)) / count
    if s.gy is None:
        return {"y": y}
    parts = _all(columns(s.x, window)) * (s.gy / count)[..., None, None]
    return {"y": y, "gx": scattered(parts, window, s.x.shape)}


def _mean_at(stride: str) -> Callable[[Sample], Outputs]:
    def compute(s: Sample) -> Outputs:
        step = s.init["kernel_size"] if stride == "kernel" else 1
        return {"y": columns(s.x, window_of({**s.init, "stride": step})).mean((4, 5))}

    return compute


_AVG_MISTAKES = (
    _mistake(
        "not-divided",
        "forward adds up and does not divide",
        "divide by the number of pixels of a window, K * K",
        _other(lambda w: w.sum((4, 5)), _all),
    ),
    _mistake(
        "not-divided-in-gx",
        "backward does not divide by the number of pixels of a window",
        "each pixel gets gy / (K * K)",
        _back(_all),
    ),
    _mistake(
        "divided-by-side",
        "backward divides by the side of a window, K, and not by K * K",
        "each pixel gets gy / (K * K)",
        _back(_divided(lambda k: k)),
    ),
    _mistake(
        "divided-twice",
        "backward divides twice by the number of pixels",
        "each pixel gets gy / (K * K)",
        _back(_divided(lambda k: k**4)),
    ),
    _mistake(
        "scatter-assigns",
        "the gradient of x is written with = where += belongs: right only where windows do not "
        "overlap",
        _ADD_UP,
        _back(_mean, assign=True),
    ),
    _mistake(
        "stride-missing-in-gx",
        "backward puts the gradients of windows one pixel apart: the stride is missing",
        _STRIDE,
        _back(_mean, apart=1),
    ),
    _mistake(
        "kernel-for-stride-in-gx",
        "backward takes the kernel's size for the stride",
        _STRIDE,
        lambda s: _back(_mean, apart=s.init["kernel_size"])(s),
    ),
    _mistake(
        "gradient-to-one",
        "backward gives the gradient to the largest pixel, as a maximum does",
        "each pixel gets gy / (K * K)",
        _back(_winners),
    ),
    _mistake(
        "padding-not-counted",
        "the mean is that of the image's pixels alone: padding is not counted",
        "divide by K * K everywhere, as in PyTorch (count_include_pad)",
        _uncounted,
    ),
    _mistake(
        "maximum-for-mean",
        "forward takes the maximum",
        "take the mean of each window",
        _other(lambda w: w.max((4, 5)), _winners),
    ),
    _mistake(
        "stride-is-kernel",
        "forward takes the kernel's size for the stride",
        _STRIDE,
        _mean_at("kernel"),
    ),
    _mistake("stride-is-one", "forward leaves the stride out", _STRIDE, _mean_at("one")),
    _mistake(
        "padding-cut-wrongly",
        "the gradient of x is cut from the corner of the padded image",
        "cut the padding off on both sides",
        _back(_mean, crop="first"),
    ),
    _mistake(
        "padding-not-cut",
        "the gradient of x has still its padding",
        "cut the padding off on both sides",
        _back(_mean, crop="all"),
    ),
)


def _options(init: Mapping[str, Any]) -> tuple[Any, ...]:
    return init["kernel_size"], init.get("stride"), init.get("padding", 0)


def _kind(name: str, words: tuple[str, ...], op: Callable[..., Any], own: tuple[Mistake, ...]) -> Kind:
    right = each(by_tape(lambda s, x: op(x, *_options(s.init))))
    mistakes = (*own, *gradient_mistakes(right, ("gx",)))
    return Kind(
        name, words, _REQUIRED, ("stride", "padding"), (), _cases(name), right, mistakes
    )  # fmt: skip


MAX_POOL2D = _kind("max_pool2d", ("maxpool", "maxpooling"), F.max_pool2d, _MAX_MISTAKES)
AVG_POOL2D = _kind(
    "avg_pool2d",
    ("avgpool", "averagepool", "meanpool", "avgpooling", "averagepooling"),
    F.avg_pool2d,
    _AVG_MISTAKES,
)
