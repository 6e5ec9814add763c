"""Transforms of Winograd's tiles, sixteen images side by side; what they are for, see `winograd`.

    pixels B^T x B,   weights G w G^T,   results A^T m A,   and for gradients A gy A^T and G^T d G

A convolution of four results by three weights is the product of two polynomials, which is known by
its values at six points: 0, a, -a, b, -b and infinity. G evaluates the weights at the points and
divides by what interpolation divides by, A is the transpose of evaluating the gradients there, and
B^T is the transpose of interpolation. With M(x) = x (x^2 - a^2) (x^2 - b^2), whose zeros are the
points, a row of B^T has the coefficients of M(x) / (x - p), and that of infinity those of M(x):

    A^T = 1  1    1   1    1   0    G = 1/n0       0       0      n0 = a^2 b^2
          0  a   -a   b   -b   0        1/na    a/na  a^2/na      na = 2 a^2 (a^2 - b^2)
          0  a^2 a^2  b^2  b^2 0        1/na   -a/na  a^2/na      nb = 2 b^2 (b^2 - a^2)
          0  a^3 -a^3 b^3 -b^3 1        1/nb    b/nb  b^2/nb
                                        1/nb   -b/nb  b^2/nb
                                        0          0       1
    B^T = a^2 b^2        0  -a^2 - b^2           0  1  0
          0         -a b^2        -b^2           a  1  0
          0          a b^2        -b^2          -a  1  0
          0         -a^2 b        -a^2           b  1  0
          0          a^2 b        -a^2          -b  1  0
          0        a^2 b^2           0  -a^2 - b^2  0  1

Which points they are decides how much the six values differ in size, and so how many digits are
lost when they cancel: 5/8 and 3/2, all of whose coefficients but 1/n are exact in float32, lose
half of what the 1 and 2 of Lavin and Gray (2016) lose, for a few more multiplications in A^T and G.
Rows scaled by powers of two lose the same.

A tile of two rows of results has four points down it: 0, 1, -1 and infinity, between which hardly
anything is lost. With four columns it is about as exact as a direct convolution, for a third more
products than a tile of four rows.

    A^T = 1  1   1  0    G = 1    0    0     B^T = 1   0  -1  0
          0  1  -1  1        1/2  1/2  1/2         0   1   1  0
                             1/2 -1/2  1/2         0  -1   1  0
                             0    0    1           0  -1   0  1

Source: Lavin and Gray (2016), arXiv:1509.09308; the choice of points: Barabasz et al. (2018),
arXiv:1803.10986.

One of six numbers walks along an axis of a tile, whose rows are six vectors apart.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npnet.kernels import simd, simd_math
from npnet.kernels._jit import inlined, kernel
from npnet.kernels.simd import LANES

__all__ = [
    "SHORT",
    "TALL",
    "Place",
    "Plane",
    "g",
    "g_of_two",
    "g_transposed",
    "gradients_tile",
    "next_tile",
    "pixels_tile",
    "prefetch_tile",
    "results_tile",
]

SHORT, TALL = 2, 4  # rows of results of a tile, whose columns are 4

A, B = 5 / 8, 3 / 2  # the points 0, A, -A, B, -B and infinity
N_0, N_A, N_B = (A * B) ** 2, 2 * A**2 * (A**2 - B**2), 2 * B**2 * (B**2 - A**2)

# As kernels take them: compiled in.
A_1, A_2, A_3, B_1, B_2, B_3 = (np.float32(p**k) for p in (A, B) for k in (1, 2, 3))
SUM, PRODUCT = np.float32(A**2 + B**2), np.float32((A * B) ** 2)
OF_0, OF_A, OF_B = (np.float32(1 / n) for n in (N_0, N_A, N_B))
OF_A_1, OF_A_2 = np.float32(A / N_A), np.float32(A**2 / N_A)
HALF = np.float32(0.5)
OF_B_1, OF_B_2 = np.float32(B / N_B), np.float32(B**2 / N_B)


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
    less_sum, product = simd.splat(-SUM), simd.splat(PRODUCT)
    less_a, less_b = simd.splat(-A_2), simd.splat(-B_2)
    even, odd = simd.fma(less_b, c, e), simd.fma(less_b, b, d)
    far_even, far_odd = simd.fma(less_a, c, e), simd.fma(less_a, b, d)
    simd.store(y, to, simd.fma(product, a, simd.fma(less_sum, c, e)))
    simd.store(y, to + apart, simd.fma(simd.splat(A_1), odd, even))
    simd.store(y, to + 2 * apart, simd.fma(simd.splat(-A_1), odd, even))
    simd.store(y, to + 3 * apart, simd.fma(simd.splat(B_1), far_odd, far_even))
    simd.store(y, to + 4 * apart, simd.fma(simd.splat(-B_1), far_odd, far_even))
    simd.store(y, to + 5 * apart, simd.fma(product, b, simd.fma(less_sum, d, f)))


@inlined
def _a_transposed(x, at, step, y, to, apart):
    """y = A^T x of six vectors `step` apart, into four `apart`."""
    b, c = simd.load(x, at + step), simd.load(x, at + 2 * step)
    d, e = simd.load(x, at + 3 * step), simd.load(x, at + 4 * step)
    near, near_odd, far, far_odd = simd.add(b, c), simd.sub(b, c), simd.add(d, e), simd.sub(d, e)
    first = simd.add(simd.add(simd.load(x, at), near), far)
    second = simd.fma(simd.splat(B_1), far_odd, times(A_1, near_odd))
    last = simd.fma(simd.splat(A_3), near_odd, simd.load(x, at + 5 * step))
    simd.store(y, to, first)
    simd.store(y, to + apart, second)
    simd.store(y, to + 2 * apart, simd.fma(simd.splat(B_2), far, times(A_2, near)))
    simd.store(y, to + 3 * apart, simd.fma(simd.splat(B_3), far_odd, last))


@inlined
def _a(x, at, step, y, to, apart):
    """y = A x of four vectors `step` apart, into six `apart`."""
    a, b = simd.load(x, at), simd.load(x, at + step)
    c, d = simd.load(x, at + 2 * step), simd.load(x, at + 3 * step)
    even, odd = simd.fma(simd.splat(A_2), c, a), simd.fma(simd.splat(A_2), d, b)
    far_even, far_odd = simd.fma(simd.splat(B_2), c, a), simd.fma(simd.splat(B_2), d, b)
    simd.store(y, to, a)
    simd.store(y, to + apart, simd.fma(simd.splat(A_1), odd, even))
    simd.store(y, to + 2 * apart, simd.fma(simd.splat(-A_1), odd, even))
    simd.store(y, to + 3 * apart, simd.fma(simd.splat(B_1), far_odd, far_even))
    simd.store(y, to + 4 * apart, simd.fma(simd.splat(-B_1), far_odd, far_even))
    simd.store(y, to + 5 * apart, d)


@inlined
def g(x, at, step, y, to, apart):
    """y = G x of three vectors `step` apart, into six `apart`."""
    a, b, c = simd.load(x, at), simd.load(x, at + step), simd.load(x, at + 2 * step)
    near = simd.fma(simd.splat(OF_A_2), c, times(OF_A, a))
    far = simd.fma(simd.splat(OF_B_2), c, times(OF_B, a))
    near_odd, far_odd = times(OF_A_1, b), times(OF_B_1, b)
    simd.store(y, to, times(OF_0, a))
    simd.store(y, to + apart, simd.add(near, near_odd))
    simd.store(y, to + 2 * apart, simd.sub(near, near_odd))
    simd.store(y, to + 3 * apart, simd.add(far, far_odd))
    simd.store(y, to + 4 * apart, simd.sub(far, far_odd))
    simd.store(y, to + 5 * apart, c)


@inlined
def g_transposed(x, at, step, y, to, apart):
    """y = G^T x of six vectors `step` apart, into three `apart`."""
    a, f = simd.load(x, at), simd.load(x, at + 5 * step)
    b, c = simd.load(x, at + step), simd.load(x, at + 2 * step)
    d, e = simd.load(x, at + 3 * step), simd.load(x, at + 4 * step)
    near, far = simd.add(b, c), simd.add(d, e)
    first = simd.fma(simd.splat(OF_0), a, times(OF_A, near))
    middle = simd.fma(simd.splat(OF_B_1), simd.sub(d, e), times(OF_A_1, simd.sub(b, c)))
    last = simd.fma(simd.splat(OF_A_2), near, f)
    simd.store(y, to, simd.fma(simd.splat(OF_B), far, first))
    simd.store(y, to + apart, middle)
    simd.store(y, to + 2 * apart, simd.fma(simd.splat(OF_B_2), far, last))


@inlined
def times(number, x):
    """A number times a vector."""
    return simd_math.multiply(simd.splat(number), x)


# ---- down a tile of two rows of results --------------------------------------------------------


@inlined
def _b_of_two(x, at, step, y, to, apart):
    """y = B^T x of four vectors `step` apart, into four `apart`."""
    a, b = simd.load(x, at), simd.load(x, at + step)
    c, d = simd.load(x, at + 2 * step), simd.load(x, at + 3 * step)
    simd.store(y, to, simd.sub(a, c))
    simd.store(y, to + apart, simd.add(c, b))
    simd.store(y, to + 2 * apart, simd.sub(c, b))
    simd.store(y, to + 3 * apart, simd.sub(d, b))


@inlined
def _a_transposed_of_two(x, at, step, y, to, apart):
    """y = A^T x of four vectors `step` apart, into two `apart`."""
    b, c = simd.load(x, at + step), simd.load(x, at + 2 * step)
    simd.store(y, to, simd.add(simd.load(x, at), simd.add(b, c)))
    simd.store(y, to + apart, simd.add(simd.sub(b, c), simd.load(x, at + 3 * step)))


@inlined
def g_of_two(x, at, step, y, to, apart):
    """y = G x of three vectors `step` apart, into four `apart`."""
    a, b, c = simd.load(x, at), simd.load(x, at + step), simd.load(x, at + 2 * step)
    even, odd = times(HALF, simd.add(a, c)), times(HALF, b)
    simd.store(y, to, a)
    simd.store(y, to + apart, simd.add(even, odd))
    simd.store(y, to + 2 * apart, simd.sub(even, odd))
    simd.store(y, to + 3 * apart, c)


# ---- of tiles ----------------------------------------------------------------------------------


@kernel
def pixels_tile(tall, x, plane, top, left, v, place, own):
    """B^T x B of the pixels from (top, left) on that a tile reads, zeros outside, into v.

    A tile of 4 rows reads 6x6 pixels and makes 36 vectors of them, one of 2 rows 4x6 and 24. From
    number `own` on, v has room for another 36, here and in what is alike.
    """
    (start, height, width), (to, apart) = plane, place
    if top >= 0 and top + tall + 2 <= height and left >= 0 and left + 6 <= width:
        at = (start + top * width + left) * LANES
        for j in range(6):
            if tall == SHORT:
                _b_of_two(x, at + j * LANES, width * LANES, v, own + j * LANES, 6 * LANES)
            else:
                _b(x, at + j * LANES, width * LANES, v, own + j * LANES, 6 * LANES)
    else:
        for i in range(tall + 2):
            for j in range(6):
                h, w = top + i, left + j
                inside = (h >= 0) & (h < height) & (w >= 0) & (w < width)
                pixel = simd.load_or_zero(x, (start + h * width + w) * LANES, inside)
                simd.store(v, own + (i * 6 + j) * LANES, pixel)
        for j in range(6):
            at = own + j * LANES
            if tall == SHORT:
                _b_of_two(v, at, 6 * LANES, v, at, 6 * LANES)
            else:
                _b(v, at, 6 * LANES, v, at, 6 * LANES)
    for i in range(tall + 2):
        _b(v, own + i * 6 * LANES, LANES, v, to + i * 6 * apart, apart)


@kernel
def results_tile(plan, m, place, own, bias, residual, y, plane, top, left):
    """A^T m A of a tile's vectors of m, plus bias, into its pixels from (top, left) on, if there.

    Returns zeros, or NaN where one is not finite before the residual and the ReLU.
    """
    (start, height, width), (at, apart) = plane, place
    zero = simd.splat(np.float32(0))
    for j in range(6):
        if plan.tall == SHORT:
            _a_transposed_of_two(m, at + j * apart, 6 * apart, m, own + j * LANES, 6 * LANES)
        else:
            _a_transposed(m, at + j * apart, 6 * apart, m, own + j * LANES, 6 * LANES)
    for i in range(plan.tall):
        row = own + i * 6 * LANES
        _a_transposed(m, row, LANES, m, row, LANES)
    spoiled = zero
    for i in range(min(plan.tall, height - top)):
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
def prefetch_tile(tall, x, plane, top, left):
    """Begin to fetch `tall` x 4 pixels of the plane behind this one.

    The processor itself does not follow runs as short as a tile's.
    """
    start, height, width = plane
    for i in range(tall):
        for j in range(4):
            simd.prefetch(x, (start + (height + top + i) * width + left + j) * LANES)


@inlined
def next_tile(tall, i, j, width):
    """The first row and column of the tile after that at (i, j), in an image of `width`."""
    return (i, j + 4) if j + 4 < width else (i + tall, 0)
