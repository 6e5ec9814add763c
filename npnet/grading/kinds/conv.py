"""Convolutions of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.grading.kinds.base import (
    Kind,
    Mistake,
    Outputs,
    Sample,
    by_tape,
    each,
    made,
)
from npnet.grading.kinds.gradients import gradient_mistakes
from npnet.grading.kinds.windows import assigned, columns, output_size, scattered, window_of
from npnet.nn import functional as F

__all__ = ["CONV2D", "convolve"]

_REQUIRED = ("in_channels", "out_channels", "kernel_size")


def _init(c: int, o: int, k: int, **more: int) -> dict[str, Any]:
    return {"in_channels": c, "out_channels": o, "kernel_size": k, **more}


_ROWS = (
    ("plain", "plain", "x (2, 3, 6, 6), a kernel of 3", _init(3, 4, 3), (2, 3, 6, 6)),
    ("unequal", "sizes", "images of 5 x 8", _init(2, 3, 3), (2, 2, 5, 8)),
    ("even", "sizes", "a kernel of 2, one channel", _init(1, 2, 2), (3, 1, 5, 4)),
    ("point", "sizes", "a kernel of 1", _init(3, 2, 1), (2, 3, 4, 3)),
    ("overlap", "stride", "stride 2, kernel 3", _init(2, 3, 3, stride=2), (2, 2, 7, 9)),
    ("gaps", "stride", "stride 3, kernel 2", _init(2, 3, 2, stride=3), (2, 2, 8, 6)),
    ("rest", "stride", "stride 2, a row is left over", _init(2, 3, 3, stride=2), (2, 2, 8, 6)),
    ("touching", "stride", "stride 2, kernel 2", _init(2, 3, 2, stride=2), (2, 2, 6, 4)),
    ("square", "stride", "stride 2, square images", _init(2, 3, 3, stride=2), (2, 2, 7, 7)),
    ("padding", "padding", "padding 1", _init(2, 3, 3, padding=1), (2, 2, 5, 5)),
    ("both", "padding", "padding 2, stride 2", _init(2, 3, 3, padding=2, stride=2), (2, 2, 5, 9)),
    ("one", "batch_of_one", "a batch of 1", _init(3, 4, 3), (1, 3, 5, 5)),
    ("strided", "strided", "a strided input", _init(3, 4, 3), (2, 3, 5, 5)),
    ("float32", "float32", "float32", _init(3, 4, 3), (2, 3, 5, 5)),
    ("again", "again", "a second call", _init(3, 4, 3), (2, 3, 5, 5)),
    ("derivative", "derivative", "finite differences", _init(3, 4, 3), (2, 3, 5, 5)),
)
_CASES = made(
    "conv2d",
    _REQUIRED,
    output_size,
    lambda i: {
        "weight": (i["out_channels"], i["in_channels"], i["kernel_size"], i["kernel_size"]),
        "bias": (i["out_channels"],),
    },
    _ROWS,
    lambda init: {"stride": 1, "padding": 0},
)
_right = each(
    by_tape(
        lambda s, x, weight, bias: F.conv2d(
            x, weight, bias, s.init.get("stride", 1), s.init.get("padding", 0)
        )
    )
)


def convolve(
    s: Sample,
    forward: Callable[[Array], Array] = lambda w: w,
    data: Callable[[Array], Array] = lambda w: w,
    stride: int | None = None,
    pad: Callable[[Array], Array] = lambda x: x,
    **scatter: Any,
) -> Outputs:
    """A convolution by its windows, right by default.

    Args:
        forward: what becomes of the kernel everywhere, its own gradient included.
        data: what becomes of it in the gradient of x alone.
        stride: another one than is asked for, forward and backward.
        pad: what becomes of x before.
        scatter: see `scattered`.
    """
    window = window_of(s.init, stride)
    w = forward(s.weights["weight"])
    seen = columns(pad(s.x), window)
    y = np.einsum("ncijuv,ocuv->noij", seen, w) + s.weights["bias"][:, None, None]
    if s.gy is None:
        return {"y": y}
    if y.shape != s.gy.shape:  # its output is not what was asked for: there is no backward
        return {"y": y}
    parts = np.einsum("noij,ocuv->ncijuv", s.gy, data(w))
    gw = np.einsum("noij,ncijuv->ocuv", s.gy, seen)
    return {
        "y": y,
        "gx": scattered(parts, window, s.x.shape, **scatter),
        "weight": forward(gw),
        "bias": s.gy.sum((0, 2, 3)),
    }


def _only(names: str, compute: Callable[[Sample], Outputs]) -> Callable[[Sample], Outputs]:
    """Some of what is computed: the rest is right."""
    return lambda s: {k: v for k, v in compute(s).items() if k in names.split()}


def _mistake(name: str, says: str, fix: str, compute: Callable[[Sample], Outputs]) -> Mistake:
    return Mistake(name, says, fix, each(compute))


def _flip(w: Array) -> Array:
    return w[:, :, ::-1, ::-1]


def _swap(w: Array) -> Array:
    return w.swapaxes(2, 3)


def _with(**changes: Any) -> Callable[[Sample], Outputs]:
    return lambda s: convolve(s, **changes)


def _weight_of(stride: int | None, last: str = "") -> Callable[[Sample], Outputs]:
    """The gradient of the weight, by windows at another stride, or of a part of the sum."""

    def compute(s: Sample) -> Outputs:
        if s.gy is None:
            return {}
        oh, ow = s.gy.shape[2:]
        gy, seen = s.gy, columns(s.x, window_of(s.init, stride))[:, :, :oh, :ow]
        if last == "sample":
            gy, seen = gy[-1:], seen[-1:]
        if last == "term":
            gy, seen = gy[-1:, :, -1:, -1:], seen[-1:, :, -1:, -1:]
        if last == "window":
            gy, seen = gy[:, :, -1:, -1:], seen[:, :, -1:, -1:]
        return {"weight": np.einsum("noij,ncijuv->ocuv", gy, seen)}

    return compute


def _bias(compute: Callable[[Array], Any]) -> Callable[[Sample], Outputs]:
    return lambda s: {} if s.gy is None else {"bias": compute(s.gy)}


def _forward(compute: Callable[[Sample, Array], Array]) -> Callable[[Sample], Outputs]:
    """Another output, with gradients that may be right."""
    return lambda s: {"y": compute(s, convolve(s)["y"])}


def _edges(x: Array, mode: Any, p: int) -> Array:
    return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), mode=mode)


def _padded_otherwise(mode: str) -> Callable[[Sample], Outputs]:
    def compute(s: Sample) -> Outputs:
        p = s.init.get("padding", 0)
        init = {**s.init, "padding": 0}
        other = Sample(init, s.weights, _edges(s.x, mode, p) if p else s.x, s.gy, {}, True)
        return {k: v for k, v in convolve(other).items() if k in ("y", "weight")}

    return compute


def _no_bias(s: Sample) -> Outputs:
    return {"y": convolve(s)["y"] - s.weights["bias"][:, None, None]}


def _channels(s: Sample) -> Outputs:
    w = np.zeros_like(s.weights["weight"])
    w[:, 0] = s.weights["weight"][:, 0]
    return {"y": convolve(s, forward=lambda _: w)["y"]}


def _option_ignored(name: str) -> Callable[[Sample], Outputs]:
    def compute(s: Sample) -> Outputs:
        init = {k: v for k, v in s.init.items() if k != name}
        return convolve(Sample(init, s.weights, s.x, s.gy, s.extra, True))

    return compute


_MISTAKES = (
    _mistake(
        "kernel-flipped",
        "forward turns the kernel by 180 degrees: a convolution in the sense of mathematics",
        "networks correlate: y[i, j] = sum of weight[u, v] * x[i + u, j + v]",
        _with(forward=_flip),
    ),
    _mistake(
        "kernel-transposed",
        "forward has rows and columns of the kernel exchanged",
        "weight[o, c, u, v]: u goes down, v to the right",
        _with(forward=_swap),
    ),
    _mistake(
        "stride-ignored",
        "the stride is left out: windows begin at every pixel",
        "the window of y[i, j] begins at x[i * stride, j * stride]",
        _option_ignored("stride"),
    ),
    _mistake(
        "padding-ignored",
        "the padding is left out",
        "put `padding` zeros around x before",
        _option_ignored("padding"),
    ),
    _mistake(
        "padding-edge",
        "the padding repeats the image's edge, and is not 0",
        "np.pad's default, mode='constant', puts zeros",
        _padded_otherwise("edge"),
    ),
    _mistake(
        "padding-reflect",
        "the padding mirrors the image, and is not 0",
        "np.pad's default, mode='constant', puts zeros",
        _padded_otherwise("symmetric"),
    ),
    _mistake(
        "padding-on-one-side",
        "all of the padding is above and to the left",
        "put `padding` zeros on every side",
        lambda s: _one_side(s),
    ),
    _mistake(
        "bias-subtracted",
        "forward takes the bias off",
        "add bias[o] to each map",
        lambda s: {"y": convolve(s)["y"] - 2 * s.weights["bias"][:, None, None]},
    ),
    _mistake(
        "weight-averaged",
        "the gradient of the weight is a mean over batch, rows and columns",
        "add up over batch, rows and columns",
        lambda s: _averaged(s),
    ),
    _mistake("bias-missing", "forward leaves the bias out", "add bias[o] to each map", _no_bias),
    _mistake(
        "first-channel-alone",
        "forward sees the first input channel alone",
        "add up over all input channels",
        _channels,
    ),
    _mistake(
        "col2im-assigns",
        "the gradient of x is written with = where += belongs (col2im): right only where windows "
        "do not overlap",
        "a pixel lies in several windows: add up what each brings, +=",
        _only("gx", _with(assign=True)),
    ),
    _mistake(
        "col2im-assigns",
        "the gradient of x is written with = where += belongs (col2im), or by += at indices of "
        "which several are the same, where one alone counts: right only where windows do not "
        "overlap",
        "a pixel lies in several windows: add up what each brings, by += or np.add.at",
        lambda s: _assigned(s),
    ),
    _mistake(
        "stride-missing-in-gx",
        "backward puts the gradients of windows one pixel apart: the stride is missing",
        "what comes of y[i, j] goes to x[i * stride + u, j * stride + v]",
        _only("gx", _with(apart=1)),
    ),
    _mistake(
        "stride-missing-in-gw",
        "the gradient of the weight takes windows one pixel apart: the stride is missing",
        "multiply gy[i, j] by the window that begins at x[i * stride, j * stride]",
        _weight_of(1),
    ),
    _mistake(
        "padding-cut-wrongly",
        "the gradient of x is cut from the corner of the padded image",
        "cut the padding off on both sides: gx[:, :, p:-p, p:-p]",
        _only("gx", _with(crop="first")),
    ),
    _mistake(
        "padding-not-cut",
        "the gradient of x has still its padding",
        "cut the padding off on both sides: gx[:, :, p:-p, p:-p]",
        _only("gx", _with(crop="all")),
    ),
    _mistake(
        "kernel-flipped-in-gx",
        "the gradient of x uses the kernel turned by 180 degrees (or not turned, where it is "
        "computed as a full correlation)",
        "gx[i + u, j + v] += weight[u, v] * gy[i, j]",
        _only("gx", _with(data=_flip)),
    ),
    _mistake(
        "kernel-transposed-in-gx",
        "the gradient of x has rows and columns of the kernel exchanged",
        "gx[i + u, j + v] += weight[u, v] * gy[i, j]",
        _only("gx", _with(data=_swap)),
    ),
    _mistake(
        "gradient-flipped",
        "the gradient of the weight is turned by 180 degrees",
        "gweight[u, v] = sum of gy[i, j] * x[i + u, j + v]",
        lambda s: {} if s.gy is None else {"weight": _flip(convolve(s)["weight"])},
    ),
    _mistake(
        "last-sample-alone",
        "the gradient of the weight is that of the last image: = for += over the batch",
        "add up over the batch",
        _weight_of(None, "sample"),
    ),
    _mistake(
        "last-window-alone",
        "the gradient of the weight is that of the last window: = for += over positions",
        "add up over all positions",
        lambda s: _last_window(s),
    ),
    _mistake(
        "last-window-alone",
        "the gradient of the weight is that of the last window of the last image: = for +=",
        "add up over all images and positions",
        _weight_of(None, "term"),
    ),
    _mistake(
        "last-sample-alone",
        "the gradient of the bias is that of the last image: = for += over the batch",
        "add up over the batch",
        _bias(lambda gy: gy[-1].sum((1, 2))),
    ),
    _mistake(
        "last-window-alone",
        "the gradient of the bias is that of the last position: = for += over positions",
        "add up over all images and positions",
        _bias(lambda gy: gy[:, :, -1, -1].sum(0)),
    ),
    _mistake(
        "last-window-alone",
        "the gradient of the bias is that of the last position of the last image: = for +=",
        "add up over all images and positions",
        _bias(lambda gy: gy[-1, :, -1, -1]),
    ),
    _mistake(
        "output-not-transposed",
        "the output has the right values in the wrong places: rows of images are reshaped to "
        "(N, O, OH, OW), and not transposed",
        "reshape to (N, OH, OW, O) as the rows are, and transpose(0, 3, 1, 2) then",
        _forward(lambda s, y: y.transpose(0, 2, 3, 1).reshape(y.shape)),
    ),
    _mistake(
        "output-not-transposed",
        "the output has the right values in the wrong places: (O, N * OH * OW) is reshaped to "
        "(N, O, OH, OW), and not transposed",
        "reshape to (O, N, OH, OW), or (O, OH, OW, N), as the columns are, and transpose then",
        _forward(lambda s, y: y.transpose(1, 2, 3, 0).reshape(y.shape)),
    ),
    _mistake(
        "bias-not-over-space",
        "the gradient of the bias is added up over the batch alone: broadcasting is not undone",
        "the bias was broadcast over batch, rows and columns: sum over (0, 2, 3)",
        _bias(lambda gy: gy.sum(0)),
    ),
    _mistake(
        "bias-not-over-batch",
        "the gradient of the bias is not added up over the batch: broadcasting is not undone",
        "the bias was broadcast over batch, rows and columns: sum over (0, 2, 3)",
        _bias(lambda gy: gy.sum((2, 3))),
    ),
    _mistake(
        "bias-averaged",
        "the gradient of the bias is a mean over rows and columns",
        "add up, and do not average: sum over (0, 2, 3)",
        _bias(lambda gy: gy.mean((2, 3)).sum(0)),
    ),
    _mistake(
        "bias-averaged-over-all",
        "the gradient of the bias is a mean over batch, rows and columns",
        "add up, and do not average: sum over (0, 2, 3)",
        _bias(lambda gy: gy.mean((0, 2, 3))),
    ),
    _mistake(
        "bias-summed-to-a-number",
        "the gradient of the bias is added up to one number",
        "keep the channels apart: sum over (0, 2, 3)",
        _bias(lambda gy: gy.sum()),
    ),
)


def _one_side(s: Sample) -> Outputs:
    p = s.init.get("padding", 0)
    x = np.pad(s.x, ((0, 0), (0, 0), (2 * p, 0), (2 * p, 0)))
    out = convolve(Sample({**s.init, "padding": 0}, s.weights, x, s.gy, {}, True))
    return {k: v for k, v in out.items() if k in ("y", "weight")}


def _averaged(s: Sample) -> Outputs:
    return {} if s.gy is None else {"weight": convolve(s)["weight"] / s.gy[:, 0].size}


def _assigned(s: Sample) -> Outputs:
    """= for +=, also filter by filter, in any order."""
    if s.gy is None:
        return {}
    w, filters = s.weights["weight"], range(s.gy.shape[1])
    terms = [np.einsum("nij,cuv->ncijuv", s.gy[:, o], w[o]) for o in filters]
    return {"gx": assigned([sum(terms), *terms], window_of(s.init), s)}


def _last_window(s: Sample) -> Outputs:
    return _weight_of(None, "window")(s)


CONV2D = Kind(
    "conv2d",
    ("conv", "convolution", "conv2d"),
    _REQUIRED,
    ("stride", "padding"),
    ("weight", "bias"),
    _CASES,
    _right,
    (*_MISTAKES, *gradient_mistakes(_right, ("gx", "weight", "bias"))),
)
