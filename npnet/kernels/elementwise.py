"""Sums and products of arrays in lanes: residual connections, dropout's mask."""

from __future__ import annotations

from npnet.kernels import simd, simd_math
from npnet.kernels._task import spanned
from npnet.kernels.simd import LANES

__all__ = ["add_span", "multiply_span", "scale_span"]


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
