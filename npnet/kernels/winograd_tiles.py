"""Transforms of Winograd's tiles, sixteen images side by side; what they are for, see `winograd`.

    pixels B^T x B,   weights G w G^T,   results A^T m A,   and for gradients A gy A^T and G^T d G

One of six numbers walks along an axis of a tile, whose rows are six vectors apart.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npnet.kernels import simd, simd_math
from npnet.kernels._jit import inlined, kernel
from npnet.kernels.simd import LANES

__all__ = [
    "Place",
    "Plane",
    "g",
    "g_transposed",
    "gradients_tile",
    "next_tile",
    "pixels_tile",
    "prefetch_tile",
    "results_tile",
]

TWO, FOUR, FIVE, EIGHT = (np.float32(k) for k in (2, 4, 5, 8))


class Plane(NamedTuple):
    """One channel of one block: (H, W) pixels, whose first is number `start`."""

    start: int
    height: int
    width: int


class Place(NamedTuple):
    """Where a tile's vectors, one of each frequency, stand: from `at` on, `apart` floats."""

    at: int
    apart: int


# ---- of six, four or three numbers -----------------------------------------------------------


@inlined
def _b(x, at, step, y, to, apart):
    """y = B^T x of six vectors `step` apart, into six `apart`."""
    a, b, c = simd.load(x, at), simd.load(x, at + step), simd.load(x, at + 2 * step)
    d, e, f = (
        simd.load(x, at + 3 * step),
        simd.load(x, at + 4 * step),
        simd.load(x, at + 5 * step),
    )
    two, four, five = simd.splat(TWO), simd.splat(FOUR), simd.splat(-FIVE)
    less_two, less_four = simd.splat(-TWO), simd.splat(-FOUR)
    even, odd = simd.fma(less_four, c, e), simd.fma(less_four, b, d)
    even_2, odd_2 = simd.sub(e, c), simd.sub(d, b)
    simd.store(y, to, simd.fma(four, a, simd.fma(five, c, e)))
    simd.store(y, to + apart, simd.add(even, odd))
    simd.store(y, to + 2 * apart, simd.sub(even, odd))
    simd.store(y, to + 3 * apart, simd.fma(two, odd_2, even_2))
    simd.store(y, to + 4 * apart, simd.fma(less_two, odd_2, even_2))
    simd.store(y, to + 5 * apart, simd.fma(four, b, simd.fma(five, d, f)))


@inlined
def _a_transposed(x, at, step, y, to, apart):
    """y = A^T x of six vectors `step` apart, into four `apart`."""
    b, c = simd.load(x, at + step), simd.load(x, at + 2 * step)
    d, e = simd.load(x, at + 3 * step), simd.load(x, at + 4 * step)
    near, near_odd, far, far_odd = simd.add(b, c), simd.sub(b, c), simd.add(d, e), simd.sub(d, e)
    first = simd.add(simd.add(simd.load(x, at), near), far)
    last = simd.add(simd.fma(simd.splat(EIGHT), far_odd, near_odd), simd.load(x, at + 5 * step))
    simd.store(y, to, first)
    simd.store(y, to + apart, simd.fma(simd.splat(TWO), far_odd, near_odd))
    simd.store(y, to + 2 * apart, simd.fma(simd.splat(FOUR), far, near))
    simd.store(y, to + 3 * apart, last)


@inlined
def _a(x, at, step, y, to, apart):
    """y = A x of four vectors `step` apart, into six `apart`."""
    a, b = simd.load(x, at), simd.load(x, at + step)
    c, d = simd.load(x, at + 2 * step), simd.load(x, at + 3 * step)
    even, odd = simd.add(a, c), simd.add(b, d)
    even_2 = simd.fma(simd.splat(FOUR), c, a)
    odd_2 = simd.fma(simd.splat(EIGHT), d, simd.add(b, b))
    simd.store(y, to, a)
    simd.store(y, to + apart, simd.add(even, odd))
    simd.store(y, to + 2 * apart, simd.sub(even, odd))
    simd.store(y, to + 3 * apart, simd.add(even_2, odd_2))
    simd.store(y, to + 4 * apart, simd.sub(even_2, odd_2))
    simd.store(y, to + 5 * apart, d)


@inlined
def g(x, at, step, y, to, apart):
    """y = G x of three vectors `step` apart, into six `apart`."""
    a, b, c = simd.load(x, at), simd.load(x, at + step), simd.load(x, at + 2 * step)
    zero = simd.splat(np.float32(0))
    sixth, twelfth = simd.splat(np.float32(1 / 6)), simd.splat(np.float32(1 / 12))
    outer = simd.fma(simd.add(a, c), sixth, zero)
    middle = simd.fma(b, sixth, zero)
    far = simd.fma(c, sixth, simd.fma(a, simd.splat(np.float32(1 / 24)), zero))
    far_middle = simd.fma(b, twelfth, zero)
    simd.store(y, to, simd.fma(a, simd.splat(np.float32(1 / 4)), zero))
    simd.store(y, to + apart, simd.sub(simd.sub(zero, outer), middle))
    simd.store(y, to + 2 * apart, simd.sub(middle, outer))
    simd.store(y, to + 3 * apart, simd.add(far, far_middle))
    simd.store(y, to + 4 * apart, simd.sub(far, far_middle))
    simd.store(y, to + 5 * apart, c)


@inlined
def g_transposed(x, at, step, y, to, apart):
    """y = G^T x of six vectors `step` apart, into three `apart`."""
    a, f = simd.load(x, at), simd.load(x, at + 5 * step)
    b, c = simd.load(x, at + step), simd.load(x, at + 2 * step)
    d, e = simd.load(x, at + 3 * step), simd.load(x, at + 4 * step)
    sixth, twelfth = simd.splat(np.float32(1 / 6)), simd.splat(np.float32(1 / 12))
    less_sixth, far = simd.splat(np.float32(-1 / 6)), simd.add(d, e)
    zero = simd.splat(np.float32(0))
    near = simd.fma(less_sixth, simd.add(b, c), zero)
    first = simd.fma(simd.splat(np.float32(1 / 24)), far, near)
    middle = simd.fma(sixth, simd.sub(c, b), zero)
    simd.store(y, to, simd.fma(simd.splat(np.float32(1 / 4)), a, first))
    simd.store(y, to + apart, simd.fma(twelfth, simd.sub(d, e), middle))
    simd.store(y, to + 2 * apart, simd.add(simd.fma(sixth, far, near), f))


# ---- of tiles ----------------------------------------------------------------------------------


@kernel
def pixels_tile(x, plane, top, left, v, place, own):
    """B^T x B of the 6x6 pixels from (top, left) on, zeros outside, into 36 vectors of v.

    From number `own` on, v has room for another 36, here and in what is alike.
    """
    (start, height, width), (to, apart) = plane, place
    if top >= 0 and top + 6 <= height and left >= 0 and left + 6 <= width:
        at = (start + top * width + left) * LANES
        for j in range(6):
            _b(x, at + j * LANES, width * LANES, v, own + j * LANES, 6 * LANES)
    else:
        for i in range(6):
            for j in range(6):
                h, w = top + i, left + j
                inside = (h >= 0) & (h < height) & (w >= 0) & (w < width)
                pixel = simd.load_or_zero(x, (start + h * width + w) * LANES, inside)
                simd.store(v, own + (i * 6 + j) * LANES, pixel)
        for j in range(6):
            _b(v, own + j * LANES, 6 * LANES, v, own + j * LANES, 6 * LANES)
    for i in range(6):
        _b(v, own + i * 6 * LANES, LANES, v, to + i * 6 * apart, apart)


@kernel
def results_tile(plan, m, place, own, bias, residual, y, plane, top, left):
    """A^T m A of 36 vectors of m, plus bias, into the 4x4 pixels from (top, left) on, if there.

    Returns zeros, or NaN where one is not finite before the residual and the ReLU.
    """
    (start, height, width), (at, apart) = plane, place
    zero = simd.splat(np.float32(0))
    for j in range(6):
        _a_transposed(m, at + j * apart, 6 * apart, m, own + j * LANES, 6 * LANES)
    for i in range(4):
        row = own + i * 6 * LANES
        _a_transposed(m, row, LANES, m, row, LANES)
    spoiled = zero
    for i in range(min(4, height - top)):
        for j in range(min(4, width - left)):
            result = simd.add(simd.load(m, own + (i * 6 + j) * LANES), bias)
            spoiled = simd.fma(result, zero, spoiled)
            to = (start + (top + i) * width + left + j) * LANES
            if plan.adds:
                result = simd.add(result, simd.load(residual, to))
            if plan.relu:
                result = simd_math.maximum(zero, result)
            simd.store(y, to, result)
    return spoiled


@kernel
def gradients_tile(gy, plane, top, left, z, place, own):
    """A gy A^T of the 4x4 gradients from (top, left) on, zeros outside, into 36 vectors of z."""
    (start, height, width), (to, apart) = plane, place
    for i in range(4):
        for j in range(4):
            h, w = top + i, left + j
            g = simd.load_or_zero(gy, (start + h * width + w) * LANES, (h < height) & (w < width))
            simd.store(z, own + (i * 6 + j) * LANES, g)
    for j in range(4):
        _a(z, own + j * LANES, 6 * LANES, z, own + j * LANES, 6 * LANES)
    for i in range(6):
        _a(z, own + i * 6 * LANES, LANES, z, to + i * 6 * apart, apart)


@inlined
def prefetch_tile(x, plane, top, left):
    """Begin to fetch 4x4 pixels of the plane behind this one.

    The processor itself does not follow runs as short as a tile's.
    """
    start, height, width = plane
    for i in range(4):
        for j in range(4):
            simd.prefetch(x, (start + (height + top + i) * width + left + j) * LANES)


@inlined
def next_tile(i, j, width):
    """The first row and column of the tile after that at (i, j), in an image of `width`."""
    return (i, j + 4) if j + 4 < width else (i + 4, 0)
