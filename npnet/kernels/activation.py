"""Activations in lanes, forward and backward.

They read and write each number once, so an array is one row of floats here, cut into spans of equal
length that threads share; what stands in the lanes beyond the batch passes through.
"""

from __future__ import annotations

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import lanes, simd, simd_exp, simd_math
from npnet.kernels._arguments import Rule
from npnet.kernels._task import spanned
from npnet.kernels.simd import LANES

__all__ = [
    "leaky_relu",
    "leaky_relu_backward",
    "relu",
    "relu_backward",
    "sigmoid",
    "sigmoid_backward",
    "tanh",
    "tanh_backward",
]


SPAN = 4096  # floats: long enough to hide the loop around, short enough to share a batch of one

_TANH = Rule("tanh", x="... 16")
_TANH_BACKWARD = Rule("tanh_backward", y="... 16", gy="... 16")
_SIGMOID = Rule("sigmoid", x="... 16")
_SIGMOID_BACKWARD = Rule("sigmoid_backward", y="... 16", gy="... 16")
_RELU = Rule("relu", x="... 16")
_RELU_BACKWARD = Rule("relu_backward", y="... 16", gy="... 16")
_LEAKY_RELU = Rule("leaky_relu", x="... 16", gy="... 16")


def tanh(x: Array) -> Array:
    """y = tanh(x), at most 1.4 ulp off.

    Shape: any in lanes -> the same, as of all functions here.
    """
    _TANH(x)
    y = lanes.empty(x.shape)
    tanh_span(x.reshape(-1), y.reshape(-1), SPAN)
    return y


def tanh_backward(y: Array, gy: Array) -> Array:
    """gx = gy * (1 - y^2) for y = tanh(x)."""
    _TANH_BACKWARD(y, gy)
    gx = lanes.empty(y.shape)
    tanh_backward_span(y.reshape(-1), gy.reshape(-1), gx.reshape(-1), SPAN)
    return gx


def sigmoid(x: Array) -> Array:
    """y = 1 / (1 + exp(-x)), at most 2 ulp off; zero where that is denormal."""
    _SIGMOID(x)
    y = lanes.empty(x.shape)
    sigmoid_span(x.reshape(-1), y.reshape(-1), SPAN)
    return y


def sigmoid_backward(y: Array, gy: Array) -> Array:
    """gx = gy * y * (1 - y) for y = sigmoid(x)."""
    _SIGMOID_BACKWARD(y, gy)
    gx = lanes.empty(y.shape)
    sigmoid_backward_span(y.reshape(-1), gy.reshape(-1), gx.reshape(-1), SPAN)
    return gx


def relu(x: Array) -> Array:
    """y = max(x, 0), and NaN of NaN."""
    _RELU(x)
    y = lanes.empty(x.shape)
    relu_span(x.reshape(-1), y.reshape(-1), SPAN)
    return y


def relu_backward(y: Array, gy: Array) -> Array:
    """gx = 0 where y <= 0, else gy: NaN lets it pass, as in PyTorch. y may be x too."""
    _RELU_BACKWARD(y, gy)
    gx = lanes.empty(y.shape)
    relu_backward_span(y.reshape(-1), gy.reshape(-1), gx.reshape(-1), SPAN)
    return gx


def leaky_relu(x: Array, slope: float) -> Array:
    """y = x where x > 0, else slope * x."""
    return leaky_relu_backward(x, x, slope)


def leaky_relu_backward(x: Array, gy: Array, slope: float) -> Array:
    """gx = gy where x > 0, else slope * gy."""
    _LEAKY_RELU(x, gy)
    gx = lanes.empty(x.shape)
    leaky_relu_backward_span(x.reshape(-1), gy.reshape(-1), np.float32(slope), gx.reshape(-1), SPAN)
    return gx


@spanned(x="L", y="L")
def tanh_span(x, y, length, k):
    """Floats k * length to (k + 1) * length of y = tanh(x)."""
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        simd.store(y, i, simd_exp.tanh(simd.load(x, i)))


@spanned(y="L", gy="L", gx="L")
def tanh_backward_span(y, gy, gx, length, k):
    """Floats k * length to (k + 1) * length of gx = gy * (1 - y^2)."""
    one = simd.splat(np.float32(1))
    for i in range(k * length, min((k + 1) * length, y.size), LANES):
        a = simd.load(y, i)
        slope = simd_math.subtract(one, simd_math.multiply(a, a))
        simd.store(gx, i, simd_math.multiply(simd.load(gy, i), slope))


@spanned(x="L", y="L")
def sigmoid_span(x, y, length, k):
    """Floats k * length to (k + 1) * length of y = sigmoid(x)."""
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        simd.store(y, i, simd_exp.sigmoid(simd.load(x, i)))


@spanned(y="L", gy="L", gx="L")
def sigmoid_backward_span(y, gy, gx, length, k):
    """Floats k * length to (k + 1) * length of gx = gy * y * (1 - y)."""
    one = simd.splat(np.float32(1))
    for i in range(k * length, min((k + 1) * length, y.size), LANES):
        a = simd.load(y, i)
        product = simd_math.multiply(simd.load(gy, i), a)
        simd.store(gx, i, simd_math.multiply(product, simd_math.subtract(one, a)))


@spanned(x="L", y="L")
def relu_span(x, y, length, k):
    """Floats k * length to (k + 1) * length of y = max(x, 0)."""
    zero = simd.splat(np.float32(0))
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        simd.store(y, i, simd_math.maximum(zero, simd.load(x, i)))


@spanned(y="L", gy="L", gx="L")
def relu_backward_span(y, gy, gx, length, k):
    """Floats k * length to (k + 1) * length of gx = 0 where y <= 0, else gy."""
    zero = simd.splat(np.float32(0))
    for i in range(k * length, min((k + 1) * length, y.size), LANES):
        value = simd_math.where_not_positive(simd.load(y, i), zero, simd.load(gy, i))
        simd.store(gx, i, value)


@spanned(x="L", gy="L", slope="number", gx="L")
def leaky_relu_backward_span(x, gy, slope, gx, length, k):
    """Floats k * length to (k + 1) * length of gx = gy where x > 0, else slope * gy."""
    slopes = simd.splat(slope)
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        g = simd.load(gy, i)
        value = simd_math.where_positive(simd.load(x, i), g, simd_math.multiply(g, slopes))
        simd.store(gx, i, value)
