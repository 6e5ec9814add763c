"""Activations in lanes, forward and backward.

They read and write each number once, so an array is one row of floats here, cut into spans of equal
length that threads share; what stands in the lanes beyond the batch passes through.
"""

from __future__ import annotations

import numpy as np

from npnet.kernels import simd, simd_exp, simd_math
from npnet.kernels._task import spanned
from npnet.kernels.simd import LANES

__all__ = [
    "SPAN",
    "leaky_relu_backward_span",
    "relu_backward_span",
    "relu_span",
    "sigmoid_backward_span",
    "sigmoid_span",
    "tanh_backward_span",
    "tanh_span",
]


SPAN = 4096  # floats: long enough to hide the loop around, short enough to share a batch of one


@spanned(x="L", y="L")
def tanh_span(x, y, length, k):
    """Floats k * length to (k + 1) * length of y = tanh(x), at most 1.4 ulp off."""
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        simd.store(y, i, simd_exp.tanh(simd.load(x, i)))


@spanned(y="L", gy="L", gx="L")
def tanh_backward_span(y, gy, gx, length, k):
    """Floats k * length to (k + 1) * length of gx = gy * (1 - y^2), y = tanh(x)."""
    one = simd.splat(np.float32(1))
    for i in range(k * length, min((k + 1) * length, y.size), LANES):
        a = simd.load(y, i)
        slope = simd_math.subtract(one, simd_math.multiply(a, a))
        simd.store(gx, i, simd_math.multiply(simd.load(gy, i), slope))


@spanned(x="L", y="L")
def sigmoid_span(x, y, length, k):
    """Floats k * length to (k + 1) * length of y = sigmoid(x), at most 2 ulp off."""
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
    """Floats k * length to (k + 1) * length of y = max(x, 0), and NaN of NaN."""
    zero = simd.splat(np.float32(0))
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        simd.store(y, i, simd_math.maximum(zero, simd.load(x, i)))


@spanned(y="L", gy="L", gx="L")
def relu_backward_span(y, gy, gx, length, k):
    """Floats k * length to (k + 1) * length of gx = 0 where y <= 0, else gy.

    NaN lets it pass, as in PyTorch. y may be x too.
    """
    zero = simd.splat(np.float32(0))
    for i in range(k * length, min((k + 1) * length, y.size), LANES):
        value = simd_math.where_not_positive(simd.load(y, i), zero, simd.load(gy, i))
        simd.store(gx, i, value)


@spanned(x="L", gy="L", slope="number", gx="L")
def leaky_relu_backward_span(x, gy, slope, gx, length, k):
    """Floats k * length to (k + 1) * length of gx = gy where x > 0, else slope * gy.

    Forward, where gy is x, too.
    """
    slopes = simd.splat(slope)
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        g = simd.load(gy, i)
        value = simd_math.where_positive(simd.load(x, i), g, simd_math.multiply(g, slopes))
        simd.store(gx, i, value)
