"""Operations on sixteen lanes beyond sums: arithmetic, choices, and parts of vectors in memory."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from npnet.kernels.simd import (
    INDEX,
    INT32,
    LANES,
    VECTOR,
    _address,
    _call,
    _first_lanes,
    vector,
)


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
def square_root(typing, a):
    """The square root, correctly rounded."""

    def code(context, builder, sig, args):
        return _call(builder, "llvm.sqrt.v16f32", *args)

    return vector(vector), code


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


# ---- arrays of any length and alignment --------------------------------------------------------

MASK = ir.VectorType(ir.IntType(1), LANES)


@intrinsic
def load_part(typing, array, index, count):
    """As many floats as `count`, 16 at most, from `index` on, and zeros."""

    def code(context, builder, sig, args):
        place, mask = _part(context, builder, sig, args)
        kind = ir.FunctionType(VECTOR, [place.type, INT32, MASK, VECTOR])
        name = "llvm.masked.load.v16f32.p0"
        load = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(load, [place, INT32(4), mask, _constant(0.0)])

    return vector(array, INDEX, INDEX), code


@intrinsic
def store_part(typing, array, index, count, value):
    """Write the first `count` lanes, 16 at most, from `index` on."""

    def code(context, builder, sig, args):
        place, mask = _part(context, builder, sig, args)
        kind = ir.FunctionType(ir.VoidType(), [VECTOR, place.type, INT32, MASK])
        name = "llvm.masked.store.v16f32.p0"
        store = cgutils.get_or_insert_function(builder.module, kind, name)
        builder.call(store, [args[3], place, INT32(4), mask])
        return context.get_dummy_value()

    return types.void(array, INDEX, INDEX, vector), code


def _part(context, builder, sig, args):
    place = builder.bitcast(_address(context, builder, sig, args, 0, args[1]), VECTOR.as_pointer())
    return place, _first_lanes(builder, args[2])


# ---- small whole numbers in memory -------------------------------------------------------------


@intrinsic
def load_numbers(typing, array, index):
    """Sixteen integers of an array, as floats."""
    numbers = ir.VectorType(ir.IntType(array.dtype.bitwidth), LANES)

    def code(context, builder, sig, args):
        place = _number_address(context, builder, sig, args)
        value = builder.load(place, typ=numbers, align=numbers.element.width // 8)
        return builder.uitofp(value, VECTOR)

    return vector(array, INDEX), code


@intrinsic
def store_numbers(typing, array, index, value):
    """Write sixteen floats as the integers of an array."""
    numbers = ir.VectorType(ir.IntType(array.dtype.bitwidth), LANES)

    def code(context, builder, sig, args):
        place = _number_address(context, builder, sig, args)
        place = builder.bitcast(place, numbers.as_pointer())
        builder.store(builder.fptoui(args[2], numbers), place, align=numbers.element.width // 8)
        return context.get_dummy_value()

    return types.void(array, INDEX, vector), code


def _number_address(context, builder, sig, args):
    data = context.make_array(sig.args[0])(context, builder, args[0]).data
    kind = ir.IntType(sig.args[0].dtype.bitwidth)
    return builder.gep(data, [args[1]], source_etype=kind)
