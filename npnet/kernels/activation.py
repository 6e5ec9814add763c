"""Activations in lanes, forward and backward.

They read and write each number once, so an array is one row of floats here, cut into spans of equal
length that threads share; what stands in the lanes beyond the batch passes through.
"""

from __future__ import annotations

import numpy as np

from npnet.kernels import simd, simd_exp, simd_math
from npnet.kernels._jit import inlined
from npnet.kernels._task import spanned
from npnet.kernels.simd import LANES

__all__ = [
    "SPAN",
    "elu_backward_span",
    "elu_span",
    "hardsigmoid_backward_span",
    "hardsigmoid_span",
    "hardswish_backward_span",
    "hardswish_span",
    "hardtanh_backward_span",
    "hardtanh_span",
    "leaky_relu_backward_span",
    "mish_backward_span",
    "mish_span",
    "relu_backward_span",
    "relu_span",
    "scaled_elu_backward_span",
    "scaled_elu_span",
    "sigmoid_backward_span",
    "sigmoid_span",
    "silu_backward_span",
    "silu_span",
    "softplus_backward_span",
    "softplus_span",
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


@spanned(x="L", alpha="number", y="L")
def elu_span(x, alpha, y, length, k):
    """Floats k * length to (k + 1) * length of y = x where x > 0, else alpha * (exp(x) - 1).

    exp(x) - 1 = 2 t / (1 - t), t = tanh(x / 2): nothing cancels near 0.
    """
    one, half = simd.splat(np.float32(1)), simd.splat(np.float32(0.5))
    double = simd.splat(np.float32(2) * alpha)
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        value = simd.load(x, i)
        t = simd_exp.tanh(simd_math.multiply(value, half))
        below = simd_math.divide(simd_math.multiply(t, double), simd_math.subtract(one, t))
        simd.store(y, i, simd_math.where_not_positive(value, below, value))


@spanned(x="L", gy="L", alpha="number", gx="L")
def elu_backward_span(x, gy, alpha, gx, length, k):
    """Floats k * length to (k + 1) * length of gx = gy where x > 0, else gy * alpha * exp(x)."""
    alphas = simd.splat(alpha)
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        value, g = simd.load(x, i), simd.load(gy, i)
        below = simd_math.multiply(g, simd_math.multiply(simd_exp.exp(value), alphas))
        simd.store(gx, i, simd_math.where_positive(value, g, below))


@spanned(x="L", y="L")
def silu_span(x, y, length, k):
    """Floats k * length to (k + 1) * length of y = x * sigmoid(x)."""
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        value = simd.load(x, i)
        simd.store(y, i, simd_math.multiply(value, simd_exp.sigmoid(value)))


@spanned(x="L", gy="L", gx="L")
def silu_backward_span(x, gy, gx, length, k):
    """Floats k * length to (k + 1) * length of gx = gy * s * (1 + x * (1 - s)), s = sigmoid(x)."""
    one = simd.splat(np.float32(1))
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        value = simd.load(x, i)
        s = simd_exp.sigmoid(value)
        slope = simd.fma(value, simd_math.subtract(one, s), one)
        simd.store(gx, i, simd_math.multiply(simd.load(gy, i), simd_math.multiply(s, slope)))


@spanned(x="L", y="L")
def hardswish_span(x, y, length, k):
    """Floats k * length to (k + 1) * length of y = x * min(max(x + 3, 0), 6) / 6."""
    zero = simd.splat(np.float32(0))
    three, six = simd.splat(np.float32(3)), simd.splat(np.float32(6))
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        value = simd.load(x, i)
        gate = simd_math.maximum(zero, simd.add(value, three))
        gate = simd_math.where_not_positive(simd_math.subtract(gate, six), gate, six)
        simd.store(y, i, simd_math.divide(simd_math.multiply(value, gate), six))


@spanned(x="L", gy="L", gx="L")
def hardswish_backward_span(x, gy, gx, length, k):
    """Floats k * length to (k + 1) * length of gx = gy * (x / 3 + 1 / 2), 0 at -3, gy from 3 on."""
    zero = simd.splat(np.float32(0))
    half, three = simd.splat(np.float32(0.5)), simd.splat(np.float32(3))
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        value, g = simd.load(x, i), simd.load(gy, i)
        inside = simd_math.multiply(g, simd.add(simd_math.divide(value, three), half))
        inside = simd_math.where_not_positive(simd_math.subtract(three, value), g, inside)
        simd.store(gx, i, simd_math.where_not_positive(simd.add(value, three), zero, inside))


@spanned(x="L", low="number", high="number", y="L")
def hardtanh_span(x, low, high, y, length, k):
    """Floats k * length to (k + 1) * length of y = min(max(x, low), high), and NaN of NaN."""
    lows, highs = simd.splat(low), simd.splat(high)
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        value = simd.load(x, i)
        value = simd_math.where_not_positive(simd_math.subtract(value, lows), lows, value)
        value = simd_math.where_not_positive(simd_math.subtract(highs, value), highs, value)
        simd.store(y, i, value)


@spanned(x="L", gy="L", low="number", high="number", gx="L")
def hardtanh_backward_span(x, gy, low, high, gx, length, k):
    """Floats k * length to (k + 1) * length of gx = gy where low < x < high, else 0."""
    zero, lows, highs = simd.splat(np.float32(0)), simd.splat(low), simd.splat(high)
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        value = simd.load(x, i)
        g = simd_math.where_positive(simd_math.subtract(value, lows), simd.load(gy, i), zero)
        simd.store(gx, i, simd_math.where_positive(simd_math.subtract(highs, value), g, zero))


@spanned(x="L", y="L")
def hardsigmoid_span(x, y, length, k):
    """Floats k * length to (k + 1) * length of y = min(max(x + 3, 0), 6) / 6."""
    zero = simd.splat(np.float32(0))
    three, six = simd.splat(np.float32(3)), simd.splat(np.float32(6))
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        gate = simd_math.maximum(zero, simd.add(simd.load(x, i), three))
        gate = simd_math.where_not_positive(simd_math.subtract(six, gate), six, gate)
        simd.store(y, i, simd_math.divide(gate, six))


@spanned(x="L", gy="L", gx="L")
def hardsigmoid_backward_span(x, gy, gx, length, k):
    """Floats k * length to (k + 1) * length of gx = gy / 6 where -3 < x < 3, else 0."""
    zero, sixth = simd.splat(np.float32(0)), simd.splat(np.float32(1 / 6))
    three = simd.splat(np.float32(3))
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        value, g = simd.load(x, i), simd_math.multiply(simd.load(gy, i), sixth)
        g = simd_math.where_positive(simd.add(value, three), g, zero)
        simd.store(gx, i, simd_math.where_positive(simd_math.subtract(three, value), g, zero))


@spanned(x="L", alpha="number", scale="number", rate="number", y="L")
def scaled_elu_span(x, alpha, scale, rate, y, length, k):
    """Floats k * length to (k + 1) * length of y = scale * x where x > 0, else
    alpha * (exp(rate * x) - 1); see `elu_span`. rate > 0."""
    one, scales = simd.splat(np.float32(1)), simd.splat(scale)
    double, half = simd.splat(np.float32(2) * alpha), simd.splat(np.float32(0.5) * rate)
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        value = simd.load(x, i)
        t = simd_exp.tanh(simd_math.multiply(value, half))
        below = simd_math.divide(simd_math.multiply(t, double), simd_math.subtract(one, t))
        above = simd_math.multiply(value, scales)
        simd.store(y, i, simd_math.where_not_positive(value, below, above))


@spanned(x="L", gy="L", alpha="number", scale="number", rate="number", gx="L")
def scaled_elu_backward_span(x, gy, alpha, scale, rate, gx, length, k):
    """Floats k * length to (k + 1) * length of gx = scale * gy where x > 0, else
    gy * alpha * rate * exp(rate * x)."""
    slopes, scales, rates = simd.splat(alpha * rate), simd.splat(scale), simd.splat(rate)
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        value, g = simd.load(x, i), simd.load(gy, i)
        power = simd_exp.exp(simd_math.multiply(value, rates))
        below = simd_math.multiply(g, simd_math.multiply(power, slopes))
        above = simd_math.multiply(g, scales)
        simd.store(gx, i, simd_math.where_positive(value, above, below))


@inlined
def _minus_size(x):
    """-|x|."""
    return simd_math.where_not_positive(x, x, simd_math.subtract(simd.splat(np.float32(0)), x))


@inlined
def _log1p(u):
    """log(1 + u) for 0 <= u <= 1: 2 atanh(w), w = u / (2 + u) <= 1 / 3, by its series."""
    w = simd_math.divide(u, simd.add(u, simd.splat(np.float32(2))))
    q = simd_math.multiply(w, w)
    p = simd.splat(np.float32(1 / 15))
    p = simd.fma(p, q, simd.splat(np.float32(1 / 13)))
    p = simd.fma(p, q, simd.splat(np.float32(1 / 11)))
    p = simd.fma(p, q, simd.splat(np.float32(1 / 9)))
    p = simd.fma(p, q, simd.splat(np.float32(1 / 7)))
    p = simd.fma(p, q, simd.splat(np.float32(1 / 5)))
    p = simd.fma(p, q, simd.splat(np.float32(1 / 3)))
    p = simd.fma(p, q, simd.splat(np.float32(1)))
    return simd_math.multiply(simd.add(w, w), p)


@spanned(x="L", beta="number", threshold="number", y="L")
def softplus_span(x, beta, threshold, y, length, k):
    """Floats k * length to (k + 1) * length of y = log(1 + exp(s)) / beta, s = beta * x, and x
    where s > threshold."""
    zero, betas, thresholds = simd.splat(np.float32(0)), simd.splat(beta), simd.splat(threshold)
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        value = simd.load(x, i)
        s = simd_math.multiply(value, betas)
        rest = _log1p(simd_exp.exp(_minus_size(s)))
        below = simd_math.divide(simd.add(simd_math.maximum(zero, s), rest), betas)
        over = simd_math.subtract(s, thresholds)
        simd.store(y, i, simd_math.where_positive(over, value, below))


@spanned(x="L", gy="L", beta="number", threshold="number", gx="L")
def softplus_backward_span(x, gy, beta, threshold, gx, length, k):
    """Floats k * length to (k + 1) * length of gx = gy * sigmoid(s), gy where s > threshold."""
    betas, thresholds = simd.splat(beta), simd.splat(threshold)
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        g, s = simd.load(gy, i), simd_math.multiply(simd.load(x, i), betas)
        below = simd_math.multiply(g, simd_exp.sigmoid(s))
        over = simd_math.subtract(s, thresholds)
        simd.store(gx, i, simd_math.where_positive(over, g, below))


@spanned(x="L", y="L")
def mish_span(x, y, length, k):
    """Floats k * length to (k + 1) * length of y = x * tanh(log(1 + exp(x))).

    With f = exp(-|x|) the tangent is n / d: n = f (f + 2), d = n + 2 where x <= 0, and n = 1 + 2 f,
    d = n + 2 f^2 else.
    """
    one, two = simd.splat(np.float32(1)), simd.splat(np.float32(2))
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        value = simd.load(x, i)
        f = simd_exp.exp(_minus_size(value))
        square = simd_math.multiply(f, f)
        n = simd.fma(f, two, simd_math.where_not_positive(value, square, one))
        rest = simd_math.where_not_positive(value, one, square)
        t = simd_math.divide(n, simd.fma(two, rest, n))
        simd.store(y, i, simd_math.multiply(value, t))


@spanned(x="L", gy="L", gx="L")
def mish_backward_span(x, gy, gx, length, k):
    """Floats k * length to (k + 1) * length of gx = gy * (t + x * s * (1 - t) * (1 + t)).

    s = sigmoid(x), t = n / d as of `mish_span`, and 1 - t = (d - n) / d.
    """
    one, two = simd.splat(np.float32(1)), simd.splat(np.float32(2))
    for i in range(k * length, min((k + 1) * length, x.size), LANES):
        value = simd.load(x, i)
        f = simd_exp.exp(_minus_size(value))
        square = simd_math.multiply(f, f)
        n = simd.fma(f, two, simd_math.where_not_positive(value, square, one))
        rest = simd_math.multiply(two, simd_math.where_not_positive(value, one, square))
        d = simd.add(n, rest)
        t = simd_math.divide(n, d)
        slope = simd_math.multiply(simd_math.divide(rest, d), simd.add(one, t))
        slope = simd_math.multiply(slope, simd_math.multiply(value, simd_exp.sigmoid(value)))
        simd.store(gx, i, simd_math.multiply(simd.load(gy, i), simd.add(t, slope)))
