"""Functions of sixteen lanes: what activations, pooling, norms and losses need beyond sums.

exp, tanh and sigmoid share one range reduction, x = n ln 2 + r with |r| <= ln(2) / 2, and a
polynomial for expm1(r). The polynomials' largest relative errors, 1.7e-8 and 5e-9, are minimal, by
Lawson's iteration on some thousand Chebyshev nodes. Largest errors over all float32 numbers, in
units in the last place: exp 1.1, tanh 1.4, sigmoid 2.0. A rational tanh of no exponential has 4.7.

Source: Muller, "Elementary Functions" (2016), sections 3.4 and 11.1.
"""

from __future__ import annotations

import math

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from npnet.kernels.simd import (
    INDEX,
    INT32,
    LANES,
    VECTOR,
    _call,
    _first_lanes,
    _multiply_add,
    vector,
)

BITS = ir.VectorType(INT32, LANES)


def _constant(value):
    """A vector of a Python number; what is a vector already stays."""
    return VECTOR([value] * LANES) if isinstance(value, float) else value


# ---- arithmetic --------------------------------------------------------------------------------


@intrinsic
def subtract(typing, a, b):
    """a - b."""
    return vector(vector, vector), lambda context, builder, sig, args: builder.fsub(*args)


@intrinsic
def multiply(typing, a, b):
    """a * b."""
    return vector(vector, vector), lambda context, builder, sig, args: builder.fmul(*args)


@intrinsic
def divide(typing, a, b):
    """a / b."""
    return vector(vector, vector), lambda context, builder, sig, args: builder.fdiv(*args)


@intrinsic
def maximum(typing, a, b):
    """The larger of a and b, or b where one is NaN."""

    def code(context, builder, sig, args):
        return _choose(builder, ">", *args, *args)

    return vector(vector, vector), code


@intrinsic
def where_positive(typing, a, x, y):
    """x where a > 0, else y."""

    def code(context, builder, sig, args):
        return _choose(builder, ">", args[0], 0.0, *args[1:])

    return vector(vector, vector, vector), code


@intrinsic
def where_not_positive(typing, a, x, y):
    """x where a <= 0, else y: y where a is NaN."""

    def code(context, builder, sig, args):
        return _choose(builder, "<=", args[0], 0.0, *args[1:])

    return vector(vector, vector, vector), code


@intrinsic
def where_equal(typing, a, b, x, y):
    """x where a == b, else y."""

    def code(context, builder, sig, args):
        return _choose(builder, "==", *args)

    return vector(vector, vector, vector, vector), code


@intrinsic
def where_wins(typing, a, best, x, y):
    """x where a is larger than `best` or NaN, else y."""

    def code(context, builder, sig, args):
        a, best, x, y = args
        wins = builder.or_(builder.fcmp_ordered(">", a, best), builder.fcmp_unordered("uno", a, a))
        return builder.select(wins, x, y)

    return vector(vector, vector, vector, vector), code


@intrinsic
def keep(typing, a, lanes):
    """The first `lanes` lanes of a, and zero in the others."""

    def code(context, builder, sig, args):
        return builder.select(_first_lanes(builder, args[1]), args[0], _constant(0.0))

    return vector(vector, INDEX), code


@intrinsic
def pick(typing, a, lane):
    """One lane."""

    def code(context, builder, sig, args):
        return builder.extract_element(*args)

    return types.float32(vector, INDEX), code


def _choose(builder, comparison, a, b, x, y):
    """x where a and b compare so, else y; a comparison with NaN does not hold."""
    a, b, x, y = (_constant(value) for value in (a, b, x, y))
    return builder.select(builder.fcmp_ordered(comparison, a, b), x, y)


# ---- small whole numbers in memory -------------------------------------------------------------


@intrinsic
def load_numbers(typing, array, index):
    """Sixteen integers of an array, as floats."""
    numbers = ir.VectorType(ir.IntType(array.dtype.bitwidth), LANES)

    def code(context, builder, sig, args):
        place = _number_address(context, builder, sig, args)
        value = builder.load(place, typ=numbers, align=LANES)
        return builder.uitofp(value, VECTOR)

    return vector(array, INDEX), code


@intrinsic
def store_numbers(typing, array, index, value):
    """Write sixteen floats as the integers of an array."""
    numbers = ir.VectorType(ir.IntType(array.dtype.bitwidth), LANES)

    def code(context, builder, sig, args):
        place = _number_address(context, builder, sig, args)
        place = builder.bitcast(place, numbers.as_pointer())
        builder.store(builder.fptoui(args[2], numbers), place, align=LANES)
        return context.get_dummy_value()

    return types.void(array, INDEX, vector), code


def _number_address(context, builder, sig, args):
    data = context.make_array(sig.args[0])(context, builder, args[0]).data
    kind = ir.IntType(sig.args[0].dtype.bitwidth)
    return builder.gep(data, [args[1]], source_etype=kind)


# ---- exponentials ------------------------------------------------------------------------------

# expm1(r) = r + r^2 (c0 + c1 r + ...) for |r| <= ln(2) / 2
EXPM1 = (
    0.4999999701976776,
    0.1666654348373413,
    0.04166720062494278,
    0.008366547524929047,
    0.0013882516650483012,
)
# tanh(x) = x + x^3 (c0 + c1 x^2 + ...) for |x| <= 0.55
TANH = (
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
        small = _multiply_add(builder, _polynomial(builder, TANH, square), cube, x)
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
