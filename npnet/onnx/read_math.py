"""How arithmetic, activations, comparisons and reductions are read."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

import npnet
import npnet.nn.functional as F
from npnet import nn
from npnet.onnx.reading import Layer, Node, readers, reads
from npnet.tape import result
from npnet.tensor import Tensor


def _plain(compute: Callable[..., Any]) -> Any:
    return lambda node: node.op(compute)


def _divide(a: Tensor, b: Tensor) -> Tensor:
    return a / b if a.is_floating_point() else npnet.div(a, b, rounding_mode="trunc")


# Operators that are one function without options, of all their inputs.
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Abs": npnet.abs,
    "Acos": npnet.acos,
    "Acosh": npnet.acosh,
    "Add": npnet.add,
    "And": npnet.logical_and,
    "Asin": npnet.asin,
    "Asinh": npnet.asinh,
    "Atan": npnet.atan,
    "Atanh": npnet.atanh,
    "Ceil": npnet.ceil,
    "Cos": npnet.cos,
    "Cosh": npnet.cosh,
    "Div": _divide,
    "Equal": npnet.eq,
    "Erf": npnet.erf,
    "Exp": npnet.exp,
    "Floor": npnet.floor,
    "Greater": npnet.gt,
    "GreaterOrEqual": npnet.ge,
    "HardSwish": F.hardswish,
    "IsNaN": npnet.isnan,
    "Less": npnet.lt,
    "LessOrEqual": npnet.le,
    "Log": npnet.log,
    "Max": lambda *xs: functools.reduce(npnet.maximum, xs),
    "Mean": lambda *xs: functools.reduce(npnet.add, xs) / len(xs),
    "Min": lambda *xs: functools.reduce(npnet.minimum, xs),
    "Mish": F.mish,
    "Mul": npnet.mul,
    "Neg": npnet.neg,
    "Not": npnet.logical_not,
    "Or": npnet.logical_or,
    "Reciprocal": npnet.reciprocal,
    "Round": npnet.round,
    "Sign": npnet.sign,
    "Sin": npnet.sin,
    "Sinh": npnet.sinh,
    "Softsign": F.softsign,
    "Sqrt": npnet.sqrt,
    "Sub": npnet.sub,
    "Sum": lambda *xs: functools.reduce(npnet.add, xs),
    "Tan": npnet.tan,
    "Where": npnet.where,
    "Xor": npnet.logical_xor,
}
readers.update({kind: _plain(compute) for kind, compute in _FUNCTIONS.items()})

_LAYERS: dict[str, Callable[[], nn.Module]] = {
    "HardSwish": nn.Hardswish,
    "Mish": nn.Mish,
    "Relu": nn.ReLU,
    "Sigmoid": nn.Sigmoid,
    "Softplus": lambda: nn.Softplus(threshold=100),
    "Softsign": nn.Softsign,
    "Tanh": nn.Tanh,
}


def _layer(kind: str) -> Any:
    return lambda node: (
        Layer(_LAYERS[kind](), [i for i in (0,) if node.const(i) is None])
        if (node.const(0) is None)
        else node.op(_LAYERS[kind]())
    )


readers.update({kind: _layer(kind) for kind in _LAYERS})


def _number(node: Node, name: str, default: float) -> float:
    """A float of an attribute, as it was meant: attributes are float32."""
    return float(f"{node.get(name, default):.7g}")


@reads("LeakyRelu")
def _leaky_relu(node: Node) -> Layer:
    return Layer(nn.LeakyReLU(_number(node, "alpha", 0.01)), [0])


@reads("Elu")
def _elu(node: Node) -> Layer:
    return Layer(nn.ELU(_number(node, "alpha", 1.0)), [0])


@reads("Celu")
def _celu(node: Node) -> Layer:
    return Layer(nn.CELU(_number(node, "alpha", 1.0)), [0])


@reads("Selu")
def _selu(node: Node) -> Layer:
    alpha, gamma = node.get("alpha", 1.6732632), node.get("gamma", 1.0507010)
    if abs(alpha - 1.6732632) < 1e-5 and abs(gamma - 1.050701) < 1e-5:
        return Layer(nn.SELU(), [0])
    return node.op(lambda x: F.elu(x, alpha) * gamma, f"alpha={alpha:g}, gamma={gamma:g}")


@reads("Gelu")
def _gelu(node: Node) -> Layer:
    return Layer(nn.GELU(node.get("approximate", "none")), [0])


@reads("ThresholdedRelu")
def _thresholded_relu(node: Node) -> Layer:
    return Layer(nn.Threshold(_number(node, "alpha", 1.0), 0.0), [0])


@reads("HardSigmoid")
def _hard_sigmoid(node: Node) -> Layer:
    alpha, beta = node.get("alpha", 0.2), node.get("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return Layer(nn.Hardsigmoid(), [0])
    return node.op(lambda x: npnet.clamp(x * alpha + beta, 0, 1), f"alpha={alpha:g}, beta={beta:g}")


@reads("Shrink")
def _shrink(node: Node) -> Layer:
    bias, lambd = node.get("bias", 0.0), node.get("lambd", 0.5)

    def compute(x: Tensor) -> Tensor:
        zero = npnet.zeros_like(x)
        return npnet.where(x < -lambd, x + bias, npnet.where(x > lambd, x - bias, zero))

    return node.op(compute, f"bias={bias:g}, lambd={lambd:g}")


@reads("PRelu")
def _prelu(node: Node) -> Layer:
    def compute(x: Tensor, slope: Tensor) -> Tensor:
        return npnet.where(x > 0, x, x * slope)

    return node.op(compute)


def _flattened_softmax(function: Callable[..., Tensor], axis: int, x: Tensor) -> Tensor:
    """That of opset 12 and before: over all axes from `axis` on."""
    at = axis % x.ndim if x.ndim else 0
    rows = x.reshape(int(np.prod(x.shape[:at])), -1)
    return function(rows, 1).reshape(*x.shape)


@reads("Softmax", "LogSoftmax", "Hardmax")
def _softmax(node: Node) -> Layer:
    if node.kind == "Hardmax":
        raise node.unread("it has no gradient")
    axis = node.get("axis", -1 if node.opset >= 13 else 1)
    kind = nn.Softmax if node.kind == "Softmax" else nn.LogSoftmax
    if node.opset >= 13 or axis == -1 or node.rank() == axis + 1:
        return Layer(kind(axis), [0])
    function = F.softmax if node.kind == "Softmax" else F.log_softmax
    return node.op(lambda x: _flattened_softmax(function, axis, x), f"axis={axis}, all from there")


@reads("Clip")
def _clip(node: Node) -> Layer:
    if node.opset < 11:
        low, high = node.get("min"), node.get("max")
    elif any(node.has(i) and node.const(i) is None for i in (1, 2)):
        return node.op(
            lambda x, a=None, b=None: x if a is None and b is None else npnet.clamp(x, a, b)
        )
    else:
        low, high = (None if (value := node.const(i)) is None else value.item() for i in (1, 2))
    text = f"min={low}, max={high}"
    if low is None and high is None:
        return Layer(node.inputs[0], [0])
    if (low, high) == (0, 6):
        return Layer(nn.ReLU6(), [0])
    return node.op(lambda x: npnet.clamp(x, low, high), text, [0])


@reads("Pow")
def _pow(node: Node) -> Layer:
    def compute(x: Tensor, p: Tensor) -> Tensor:
        y = x ** (p.item() if p.ndim == 0 and x.is_floating_point() else p)
        return y if y.dtype == x.dtype else y.to(x.dtype)

    return node.op(compute)


@reads("Mod")
def _mod(node: Node) -> Layer:
    return node.op(npnet.fmod if node.get("fmod", 0) else npnet.remainder)


@reads("Einsum")
def _einsum(node: Node) -> Layer:
    equation = node.get("equation")
    return node.op(lambda *xs: npnet.einsum(equation, *xs), equation)


@reads("Cast", "CastLike")
def _cast(node: Node) -> Layer:
    known = node.get("to") or node.reader.dtypes.get(node.inputs[1])
    if not known:
        return node.op(lambda x, like: x.to(like.dtype))
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(known))
    if dtype.kind not in "fiub":
        raise node.unread(f"a cast to {dtype}")
    return node.op(lambda x: x.to(dtype), str(dtype), [0])


# ---- reductions ----------------------------------------------------------------------------------


def _summed(x: Tensor, axes: Any, keep: bool) -> Tensor:
    return x.sum(axes, keep) if x.is_floating_point() else x.sum(axes, keep).to(x.dtype)


def _prod(x: Tensor, axes: Any, keep: bool) -> Tensor:
    for axis in sorted((a % x.ndim for a in axes), reverse=True):
        x = x.prod(axis, keep)
    return x


_REDUCTIONS: dict[str, Callable[[Tensor, Any, bool], Tensor]] = {
    "ReduceL1": lambda x, axes, keep: _summed(x.abs(), axes, keep),
    "ReduceL2": lambda x, axes, keep: (x * x).sum(axes, keep).sqrt(),
    "ReduceLogSum": lambda x, axes, keep: x.sum(axes, keep).log(),
    "ReduceLogSumExp": lambda x, axes, keep: npnet.logsumexp(x, axes, keep),
    "ReduceMax": lambda x, axes, keep: x.amax(axes, keep),
    "ReduceMean": lambda x, axes, keep: x.mean(axes, keep),
    "ReduceMin": lambda x, axes, keep: x.amin(axes, keep),
    "ReduceProd": _prod,
    "ReduceSum": _summed,
    "ReduceSumSquare": lambda x, axes, keep: _summed(x * x, axes, keep),
}


@reads(*_REDUCTIONS)
def _reduce(node: Node) -> Layer:
    keep, compute = bool(node.get("keepdims", 1)), _REDUCTIONS[node.kind]
    axes = node.ints(1, "axes")
    if not axes and node.get("noop_with_empty_axes", 0):
        return Layer(node.inputs[0], [0])

    def reduce(x: Tensor) -> Tensor:
        return compute(x, tuple(axes or range(x.ndim)), keep)

    return node.op(reduce, f"dim={tuple(axes) if axes else 'all'}, keepdim={keep}", [0])


@reads("ArgMax", "ArgMin")
def _arg(node: Node) -> Layer:
    axis, keep = node.get("axis", 0), bool(node.get("keepdims", 1))
    choose = np.argmax if node.kind == "ArgMax" else np.argmin

    def compute(x: Tensor) -> Tensor:
        if node.get("select_last_index", 0):
            turned = choose(np.flip(x.array, axis), axis=axis, keepdims=keep)
            return result(np.asarray(x.shape[axis] - 1 - turned, np.int64))
        return result(np.asarray(choose(x.array, axis=axis, keepdims=keep), np.int64))

    return node.op(compute, f"dim={axis}, keepdim={keep}")


@reads("CumSum")
def _cumsum(node: Node) -> Layer:
    axis = node.const(1)
    if axis is None or node.get("exclusive", 0):
        raise node.unread("an axis that is computed, or exclusive sums")
    at = int(axis.item())

    def compute(x: Tensor) -> Tensor:
        if node.get("reverse", 0):
            return npnet.flip(npnet.cumsum(npnet.flip(x, (at,)), at, dtype=x.dtype), (at,))
        return npnet.cumsum(x, at, dtype=x.dtype)

    return node.op(compute, f"axis={at}", [0])
