"""Exponentials of sixteen lanes.

exp and sigmoid share one range reduction, x = n ln 2 + r with |r| <= ln(2) / 2, and a polynomial
for expm1(r); tanh has a polynomial for tanh(r). The polynomials' largest relative errors, 1.7e-8
and 1.4e-9, are minimal, by Lawson's iteration on some thousand Chebyshev nodes. Largest errors over
all float32 numbers, in units in the last place: exp 1.1, tanh 1.4, sigmoid 2.0. A rational tanh of
no exponential has 4.7.

Source: Muller, "Elementary Functions" (2016), sections 3.4 and 11.1.
"""

from __future__ import annotations

import itertools
import math

from llvmlite import ir
from numba.extending import intrinsic

from npnet.kernels.simd import INT32, LANES, VECTOR, _call, _multiply_add, vector
from npnet.kernels.simd_math import _choose, _constant

BITS = ir.VectorType(INT32, LANES)

# expm1(r) = r + r^2 (c0 + c1 r + ...) for |r| <= ln(2) / 2
EXPM1 = (
    0.4999999701976776,
    0.1666654348373413,
    0.04166720062494278,
    0.008366547524929047,
    0.0013882516650483012,
)
# tanh(r) = r + r^3 (c0 + c1 r^2 + ...) for |r| <= 0.564
TANH_SERIES = (
    -0.33333313401304887,
    0.13332434949402028,
    -0.05383555139877731,
    0.020999548311687866,
    -0.006168464426802301,
)
# Halves of ln 2 that tanh leaves to a power of two begin at |x| = 0.55, where it is a half: below
# is the polynomial alone. They are fewer than fit into |x|: what is too much in r grows with |x|,
# as tanh depends on it less.
TANH_HALVES = 2.72  # 2 / ln 2 is 2.885
TANH_IS_ONE = 9.02  # from here on tanh rounds to 1
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4  # the first has 9 bits: n * LN2_HIGH is exact
ROUND = 1.5 * 2**23  # added to a number, leaves it rounded in the last bits
LOWEST = -87.33654  # the smallest power of e that is not denormal


@intrinsic
def exp(typing, x):
    """e^x for x <= 0; zero where that is denormal."""

    def code(context, builder, sig, args):
        x = args[0]
        p, scale = _expm1(builder, _choose(builder, "<", x, LOWEST, LOWEST, x))
        return _choose(builder, "<", x, LOWEST, 0.0, _multiply_add(builder, scale, p, scale))

    return vector(vector), code


@intrinsic
def log(typing, x):
    """The natural logarithm, a call of the C library for each lane."""
    return vector(vector), lambda context, builder, sig, args: _call(
        builder, "llvm.log.v16f32", args[0]
    )


@intrinsic
def tanh(typing, x):
    """With |x| = n ln(2) / 2 + r, t = tanh(r) and s = 2^n it is

        (s - 1 + t (s + 1)) / (s - 1 + t (s + 1) + 2 (1 - t)),

    which is t itself for n = 0. In this order the sum's error above and below is one.
    """

    def code(context, builder, sig, args):
        (y,) = _tanh(builder, args)
        return y

    return vector(vector), code


def _tanh(builder, xs):
    """Of several vectors, step by step in turns: each step waits for the one before it."""
    steps = [_tanh_steps(builder, x) for x in xs]
    *_, results = itertools.zip_longest(*steps)
    return results


def _tanh_steps(builder, x):
    yield (a := _call(builder, "llvm.fabs.v16f32", x))
    yield (a := _choose(builder, ">", a, TANH_IS_ONE, TANH_IS_ONE, a))
    yield (shifted := _multiply_add(builder, a, _constant(TANH_HALVES), _constant(ROUND - 1)))
    yield (shifted := _choose(builder, ">", ROUND, shifted, ROUND, shifted))
    yield (n := builder.fsub(shifted, _constant(ROUND)))
    yield (r := _multiply_add(builder, n, _constant(-math.log(2) / 2), a))
    yield (square := builder.fmul(r, r))
    series = _constant(TANH_SERIES[-1])
    for c in TANH_SERIES[-2::-1]:
        yield (series := _multiply_add(builder, series, square, _constant(c)))
    yield (cube := builder.fmul(square, r))
    yield (t := _multiply_add(builder, series, cube, r))
    yield (s := _power_of_two(builder, shifted))
    yield (less := builder.fsub(s, _constant(1.0)))
    yield (more := builder.fadd(s, _constant(1.0)))
    yield (above := _multiply_add(builder, t, more, less))
    yield (rest := _multiply_add(builder, t, _constant(-2.0), _constant(2.0)))
    yield (below := builder.fadd(above, rest))
    yield (quotient := builder.fdiv(above, below))
    yield _call(builder, "llvm.copysign.v16f32", quotient, x)


@intrinsic
def sigmoid(typing, x):
    """1 / (1 + e^-x); zero where that is denormal."""
    return vector(vector), lambda context, builder, sig, args: _sigmoid(builder, args[0])


def _sigmoid(builder, x):
    a = _choose(builder, "<", x, LOWEST, LOWEST, x)
    a = _choose(builder, ">", a, -LOWEST, -LOWEST, a)
    p, scale = _expm1(builder, builder.fneg(a))
    # in this order 1 counts even where it is a half of scale's last place
    below = builder.fadd(scale, _multiply_add(builder, scale, p, _constant(1.0)))
    return _choose(builder, "<", x, LOWEST, 0.0, builder.fdiv(_constant(1.0), below))


def _expm1(builder, x):
    """(p, s) with e^x = s (1 + p), s = 2^n and p = expm1(r), where x = n ln 2 + r."""
    shifted = _multiply_add(builder, x, _constant(1 / math.log(2)), _constant(ROUND))
    n = builder.fsub(shifted, _constant(ROUND))
    r = _multiply_add(builder, n, _constant(-LN2_HIGH), x)
    r = _multiply_add(builder, n, _constant(-LN2_LOW), r)
    p = _multiply_add(builder, builder.fmul(r, r), _polynomial(builder, EXPM1, r), r)
    return p, _power_of_two(builder, shifted)


def _power_of_two(builder, shifted):
    """2^n of what n + ROUND is."""
    bits = builder.shl(builder.bitcast(shifted, BITS), BITS([23] * LANES))  # n as an exponent
    one = builder.bitcast(_constant(1.0), BITS)
    return builder.bitcast(builder.add(bits, one), VECTOR)


def _polynomial(builder, coefficients, x):
    """c0 + c1 x + c2 x^2 + ... by Horner's rule."""
    y = _constant(coefficients[-1])
    for c in coefficients[-2::-1]:
        y = _multiply_add(builder, y, x, _constant(c))
    return y
