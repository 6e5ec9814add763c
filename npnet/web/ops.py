"""What each op becomes in a page: a name and options that `forward.js` knows by the same names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from npnet.base.arrays import Array
from npnet.nn.backward_hooks import Through
from npnet.ops import activation, arithmetic, functions, piecewise, reduce, smooth
from npnet.ops.adaptive_max_pool import AdaptiveMaxPool2d
from npnet.ops.conv import Conv2d
from npnet.ops.dropout import Dropout
from npnet.ops.indexing import GetItem
from npnet.ops.linear import Linear
from npnet.ops.norm import BatchNorm, GroupNorm, LayerNorm
from npnet.ops.padding import PadConstant
from npnet.ops.pool import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from npnet.ops.sample_norm import LocalResponse
from npnet.ops.shape import Cat, Clone, Expand, Permute, Reshape
from npnet.ops.splitting import Flip
from npnet.ops.windows import Window
from npnet.tape import Function
from npnet.tracing import Step

__all__ = ["Options", "options_of", "view_of"]

Options: TypeAlias = dict[str, Any]
Say: TypeAlias = Callable[[Step], Options]

# Ops without options.
_PLAIN: dict[type[Function], str] = {
    activation.ReLU: "relu",
    activation.Sigmoid: "sigmoid",
    activation.SiLU: "silu",
    activation.Tanh: "tanh",
    activation.GELU: "gelu",
    activation.GELUTanh: "gelu_tanh",
    activation.Hardswish: "hardswish",
    arithmetic.Add: "add",
    arithmetic.Div: "div",
    arithmetic.Gate: "mul",
    arithmetic.Mul: "mul",
    arithmetic.Neg: "neg",
    arithmetic.Sub: "sub",
    functions.Abs: "abs",
    functions.Exp: "exp",
    functions.Log: "log",
    functions.Sqrt: "sqrt",
    piecewise.Hardsigmoid: "hardsigmoid",
    smooth.LogSigmoid: "log_sigmoid",
    smooth.Mish: "mish",
    Clone: "identity",
    Linear: "linear",
    Through: "identity",
}
# Ops that move values and change none: as a view, whose places follow from an arange.
_MOVES: dict[type[Function], str] = {
    Expand: "expand",
    Flip: "flip",
    GetItem: "slice",
    Permute: "permute",
    Reshape: "reshape",
}
_SAID: dict[type[Function], Say] = {}


def _says(*kinds: type[Function]) -> Callable[[Say], Say]:
    """Note what says the options of these classes."""

    def note(say: Say) -> Say:
        _SAID.update(dict.fromkeys(kinds, say))
        return say

    return note


def options_of(step: Step, given: tuple[int, ...]) -> Options:
    """The op of a layer by the name that the page knows, with its options as JSON has them.

    Args:
        given: the shape of the first input.

    Raises:
        NotImplementedError: the page has no such op; names it and its layer.
    """
    kind = step.kind
    if kind in _PLAIN:
        return {"op": _PLAIN[kind]}
    if kind in _MOVES:
        return {"op": _MOVES[kind], **view_of(step, given)}
    if kind not in _SAID:
        raise NotImplementedError(
            f"export: {step}: a page has no such op; it has convolutions, linear layers, pools, "
            "norms, activations, +, -, *, /, cat, views and means; write the layer by these, or "
            "take --format onnx"
        )
    return _SAID[kind](step)


def view_of(step: Step, given: tuple[int, ...]) -> Options:
    """Where each value of a result comes from: `base + sum over axes k of i[k] * strides[k]`.

    Raises:
        NotImplementedError: no such sum says it.
    """
    places = np.arange(int(np.prod(given)), dtype=np.int64).reshape(given)
    places = np.asarray(step.op.forward(places))
    base = int(places.flat[0])
    strides = []
    for axis, length in enumerate(places.shape):
        at = [0] * places.ndim
        at[axis] = 1 if length > 1 else 0
        strides.append(int(places[tuple(at)]) - base)
    steps = (
        (np.arange(length) * stride).reshape([-1 if k == axis else 1 for k in range(places.ndim)])
        for axis, (length, stride) in enumerate(zip(places.shape, strides, strict=True))
    )
    said: Array = np.asarray(sum(steps, np.full((1,) * places.ndim, base)))
    if np.array_equal(places.ravel(), np.arange(np.prod(given))):
        return {"base": 0, "strides": None}  # all of them, in their order
    if not np.array_equal(said, places):
        raise NotImplementedError(f"export: {step}: a page has no such view")
    return {"base": base, "strides": strides}


def _windows(window: Window) -> Options:
    return {
        "kernel": list(window.kernel),
        "stride": list(window.stride),
        "padding": [list(pair) for pair in window.padding],
        "dilation": list(window.dilation),
    }


@_says(Conv2d)
def _conv2d(step: Step) -> Options:
    return {"op": "conv2d", **_windows(step.op.window), "groups": step.op.groups}


@_says(MaxPool2d)
def _max_pool2d(step: Step) -> Options:
    return {"op": "max_pool2d", **_windows(step.op.window)}


@_says(AvgPool2d)
def _avg_pool2d(step: Step) -> Options:
    counts = bool(step.op.count_include_pad)
    said = {"count_include_pad": counts, "divisor": step.op.divisor}
    return {"op": "avg_pool2d", **_windows(step.op.window), **said}


@_says(AdaptiveAvgPool2d)
def _adaptive_avg_pool2d(step: Step) -> Options:
    return {"op": "adaptive_avg_pool2d"}


@_says(AdaptiveMaxPool2d)
def _adaptive_max_pool2d(step: Step) -> Options:
    return {"op": "adaptive_max_pool2d"}


@_says(BatchNorm)
def _batch_norm(step: Step) -> Options:
    if step.op.given is None:
        raise NotImplementedError(
            f"export: {step}: it takes the statistics of the batch also in evaluation, and a page "
            "has one image; let it track its running statistics"
        )
    return {"op": "batch_norm", "eps": float(step.op.eps)}


@_says(GroupNorm)
def _group_norm(step: Step) -> Options:
    return {"op": "group_norm", "groups": step.op.groups, "eps": float(step.op.eps)}


@_says(LayerNorm)
def _layer_norm(step: Step) -> Options:
    return {"op": "layer_norm", "count": step.op.count, "eps": float(step.op.eps)}


@_says(LocalResponse)
def _local_response(step: Step) -> Options:
    op = step.op
    said = {"size": op.size, "alpha": float(op.alpha), "beta": float(op.beta), "k": float(op.k)}
    return {"op": "local_response_norm", **said}


@_says(Dropout)
def _dropout(step: Step) -> Options:
    raise NotImplementedError(
        f"export: {step}: it draws random numbers in evaluation too; pass "
        "training=self.training to dropout"
    )


@_says(activation.LeakyReLU)
def _leaky_relu(step: Step) -> Options:
    return {"op": "leaky_relu", "slope": float(step.op.slope)}


@_says(activation.ELU)
def _elu(step: Step) -> Options:
    return {"op": "elu", "alpha": float(step.op.alpha)}


@_says(smooth.ScaledELU)
def _scaled_elu(step: Step) -> Options:
    op = step.op
    said = {"alpha": float(op.alpha), "scale": float(op.scale), "rate": float(op.rate)}
    return {"op": "scaled_elu", **said}


@_says(smooth.Softplus)
def _softplus(step: Step) -> Options:
    said = {"beta": float(step.op.beta), "threshold": float(step.op.threshold)}
    return {"op": "softplus", **said}


@_says(piecewise.Hardtanh)
def _hardtanh(step: Step) -> Options:
    return {"op": "hardtanh", "low": float(step.op.low), "high": float(step.op.high)}


@_says(piecewise.PReLU)
def _prelu(step: Step) -> Options:
    return {"op": "prelu"}


@_says(arithmetic.Scale)
def _scale(step: Step) -> Options:
    return {"op": "scale", "factor": float(step.op.factor)}


@_says(activation.Softmax)
def _softmax(step: Step) -> Options:
    return {"op": "softmax", "dim": step.op.dim % step.arrays[0].ndim}


@_says(activation.LogSoftmax)
def _log_softmax(step: Step) -> Options:
    return {"op": "log_softmax", "dim": step.op.dim % step.arrays[0].ndim}


@_says(Cat)
def _cat(step: Step) -> Options:
    return {"op": "cat", "dim": step.op.dim % step.arrays[0].ndim}


@_says(PadConstant)
def _pad(step: Step) -> Options:
    return {"op": "pad", "widths": [list(w) for w in step.op.widths], "value": float(step.op.value)}


@_says(reduce.Mean)
def _mean(step: Step) -> Options:
    return {"op": "mean", "axes": [int(a) for a in step.op.axes]}


@_says(reduce.Sum)
def _sum(step: Step) -> Options:
    return {"op": "sum", "axes": [int(a) for a in step.op.axes]}
