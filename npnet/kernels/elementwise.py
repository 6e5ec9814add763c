"""Sums and products of arrays in lanes: residual connections, biases, dropout's mask."""

from __future__ import annotations

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import lanes, simd, simd_math
from npnet.kernels._arguments import Rule, row_major
from npnet.kernels._task import Facts, need, spanned, task
from npnet.kernels.activation import SPAN
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
    add_span(a.reshape(-1), b.reshape(-1), y.reshape(-1), SPAN)
    return y


def multiply(a: Array, b: Array) -> Array:
    """a * b, as with dropout's mask. Shape: any in lanes, alike -> the same."""
    _MULTIPLY(a, b)
    y = lanes.empty(a.shape)
    multiply_span(a.reshape(-1), b.reshape(-1), y.reshape(-1), SPAN)
    return y


def scale(x: Array, factor: float) -> Array:
    """factor * x. Shape: any in lanes -> the same."""
    _SCALE(x)
    y = lanes.empty(x.shape)
    scale_span(x.reshape(-1), np.float32(factor), y.reshape(-1), SPAN)
    return y


def add_bias(x: Array, bias: Array) -> Array:
    """x + bias of the channel. Shape: x (B, C, ..., 16), bias (C,) -> that of x."""
    bias = row_major("add_bias", "bias", bias)
    _ADD_BIAS(x, bias)
    y = lanes.empty(x.shape)
    planes = (x.shape[0] * x.shape[1], -1)
    add_bias_plane(x.reshape(planes), bias, y.reshape(planes))
    return y


@spanned(a="L", b="L", y="L")
def add_span(a, b, y, length, k):
    """Floats k * length to (k + 1) * length of y = a + b."""
    for i in range(k * length, min((k + 1) * length, y.size), LANES):
        simd.store(y, i, simd.add(simd.load(a, i), simd.load(b, i)))


@spanned(a="L", b="L", y="L")
def multiply_span(a, b, y, length, k):
    """Floats k * length to (k + 1) * length of y = a * b."""
    for i in range(k * length, min((k + 1) * length, y.size), LANES):
        simd.store(y, i, simd_math.multiply(simd.load(a, i), simd.load(b, i)))


@spanned(x="L", factor="number", y="L")
def scale_span(x, factor, y, length, k):
    """Floats k * length to (k + 1) * length of y = factor * x."""
    factors = simd.splat(factor)
    for i in range(k * length, min((k + 1) * length, y.size), LANES):
        simd.store(y, i, simd_math.multiply(simd.load(x, i), factors))


def _whole_planes(f: Facts) -> None:
    need(f, f.M % f.C == 0, f"bias must have a number for each plane of an image, got {f.C}")
    need(f, f.P % LANES == 0, f"planes must be whole vectors of {LANES}, got {f.P}")


@task(x="M P", bias="C", y="M P", items="M", also=_whole_planes, empty="M P")
def add_bias_plane(x, bias, y, m):
    """Plane `m` of y = x + bias, (B*C, pixels * 16)."""
    biases, length = simd.splat(bias[m % bias.size]), x.shape[1]
    for i in range(m * length, (m + 1) * length, LANES):
        simd.store(y, i, simd.add(simd.load(x, i), biases))
