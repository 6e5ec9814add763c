"""Exponentials of sixteen lanes.

exp, tanh and sigmoid share one range reduction, x = n ln 2 + r with |r| <= ln(2) / 2, and a
polynomial for expm1(r). The polynomials' largest relative errors, 1.7e-8 and 5e-9, are minimal, by
Lawson's iteration on some thousand Chebyshev nodes. Largest errors over all float32 numbers, in
units in the last place: exp 1.1, tanh 1.4, sigmoid 2.0. A rational tanh of no exponential has 4.7.

Source: Muller, "Elementary Functions" (2016), sections 3.4 and 11.1.
"""

from __future__ import annotations

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
# tanh(x) = x + x^3 (c0 + c1 x^2 + ...) for |x| <= 0.55
TANH_SERIES = (
    -0.3333331346511841,
    0.13332480192184448,
    -0.0538405179977417,
    0.02102055586874485,
    -0.006198725663125515,
)
TANH_SMALL = 0.55  # tanh is a half here: 1 - t is as exact as t from here on
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
    """A polynomial of small x, else 1 - 2 / (e^2a + 1) for a = |x|, with the sign of x."""

    def code(context, builder, sig, args):
        x, two = args[0], _constant(2.0)
        square = builder.fmul(x, x)
        cube = builder.fmul(square, x)
        small = _multiply_add(builder, _polynomial(builder, TANH_SERIES, square), cube, x)
        a = _call(builder, "llvm.fabs.v16f32", x)
        clipped = _choose(builder, ">", a, TANH_IS_ONE, TANH_IS_ONE, a)
        p, scale = _expm1(builder, builder.fadd(clipped, clipped))
        below = _multiply_add(builder, scale, p, builder.fadd(scale, _constant(1.0)))
        large = builder.fsub(_constant(1.0), builder.fdiv(two, below))
        large = _call(builder, "llvm.copysign.v16f32", large, x)
        return _choose(builder, "<", a, TANH_SMALL, small, large)

    return vector(vector), code


@intrinsic
def sigmoid(typing, x):
    """1 / (1 + e^-x); zero where that is denormal."""

    def code(context, builder, sig, args):
        x = args[0]
        a = _choose(builder, "<", x, LOWEST, LOWEST, x)
        a = _choose(builder, ">", a, -LOWEST, -LOWEST, a)
        p, scale = _expm1(builder, builder.fneg(a))
        # in this order 1 counts even where it is a half of scale's last place
        below = builder.fadd(scale, _multiply_add(builder, scale, p, _constant(1.0)))
        return _choose(builder, "<", x, LOWEST, 0.0, builder.fdiv(_constant(1.0), below))

    return vector(vector), code


def _expm1(builder, x):
    """(p, s) with e^x = s (1 + p), s = 2^n and p = expm1(r), where x = n ln 2 + r."""
    shifted = _multiply_add(builder, x, _constant(1 / math.log(2)), _constant(ROUND))
    n = builder.fsub(shifted, _constant(ROUND))
    r = _multiply_add(builder, n, _constant(-LN2_HIGH), x)
    r = _multiply_add(builder, n, _constant(-LN2_LOW), r)
    p = _multiply_add(builder, builder.fmul(r, r), _polynomial(builder, EXPM1, r), r)
    bits = builder.shl(builder.bitcast(shifted, BITS), BITS([23] * LANES))  # n as an exponent
    one = builder.bitcast(_constant(1.0), BITS)
    return p, builder.bitcast(builder.add(bits, one), VECTOR)


def _polynomial(builder, coefficients, x):
    """c0 + c1 x + c2 x^2 + ... by Horner's rule."""
    y = _constant(coefficients[-1])
    for c in coefficients[-2::-1]:
        y = _multiply_add(builder, y, x, _constant(c))
    return y
