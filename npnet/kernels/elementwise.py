"""Sums and products of arrays in lanes: residual connections, biases, dropout's mask."""

from __future__ import annotations

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import lanes, simd, simd_math
from npnet.kernels._arguments import Rule, row_major
from npnet.kernels._jit import kernel
from npnet.kernels._parallel import parallel_for
from npnet.kernels.activation import SPAN, spans
from npnet.kernels.simd import LANES

__all__ = ["add", "add_bias", "multiply", "scale"]


_ADD = Rule("add", a="... 16", b="... 16")
_MULTIPLY = Rule("multiply", a="... 16", b="... 16")
_SCALE = Rule("scale", x="... 16")
_ADD_BIAS = Rule("add_bias", x="B C ... 16", bias="C")


def add(a: Array, b: Array) -> Array:
    """a + b. Shape: any in lanes, alike -> the same."""
    _ADD(a, b)
    y = lanes.empty(a.shape)
    _add(a.reshape(-1), b.reshape(-1), y.reshape(-1))
    return y


def multiply(a: Array, b: Array) -> Array:
    """a * b, as with dropout's mask. Shape: any in lanes, alike -> the same."""
    _MULTIPLY(a, b)
    y = lanes.empty(a.shape)
    _multiply(a.reshape(-1), b.reshape(-1), y.reshape(-1))
    return y


def scale(x: Array, factor: float) -> Array:
    """factor * x. Shape: any in lanes -> the same."""
    _SCALE(x)
    y = lanes.empty(x.shape)
    _scale(x.reshape(-1), np.float32(factor), y.reshape(-1))
    return y


def add_bias(x: Array, bias: Array) -> Array:
    """x + bias of the channel. Shape: x (B, C, ..., 16), bias (C,) -> that of x."""
    bias = row_major("add_bias", "bias", bias)
    _ADD_BIAS(x, bias)
    y = lanes.empty(x.shape)
    planes = (x.shape[0] * x.shape[1], -1)
    _add_bias(x.reshape(planes), bias, y.reshape(planes))
    return y


@kernel
def _add(a, b, y):
    parallel_for(add_span, spans(y, SPAN), (a, b, y, SPAN))


@kernel
def add_span(a, b, y, length, k):
    """Floats k * length to (k + 1) * length of y = a + b."""
    for i in range(k * length, min((k + 1) * length, y.size), LANES):
        simd.store(y, i, simd.add(simd.load(a, i), simd.load(b, i)))


@kernel
def _multiply(a, b, y):
    parallel_for(multiply_span, spans(y, SPAN), (a, b, y, SPAN))


@kernel
def multiply_span(a, b, y, length, k):
    """Floats k * length to (k + 1) * length of y = a * b."""
    for i in range(k * length, min((k + 1) * length, y.size), LANES):
        simd.store(y, i, simd_math.multiply(simd.load(a, i), simd.load(b, i)))


@kernel
def _scale(x, factor, y):
    parallel_for(scale_span, spans(y, SPAN), (x, factor, y, SPAN))


@kernel
def scale_span(x, factor, y, length, k):
    """Floats k * length to (k + 1) * length of y = factor * x."""
    factors = simd.splat(factor)
    for i in range(k * length, min((k + 1) * length, y.size), LANES):
        simd.store(y, i, simd_math.multiply(simd.load(x, i), factors))


@kernel
def _add_bias(x, bias, y):
    parallel_for(add_bias_plane, x.shape[0], (x, bias, y))


@kernel
def add_bias_plane(x, bias, y, m):
    """Plane `m` of y = x + bias, (B*C, pixels * 16)."""
    biases, length = simd.splat(bias[m % bias.size]), x.shape[1]
    for i in range(m * length, (m + 1) * length, LANES):
        simd.store(y, i, simd.add(simd.load(x, i), biases))
