"""Sixteen float32 lanes as one value, and register tiles of them.

A `vector` holds one number for each of 16 images. Numba has no such type, so the operations are
written as LLVM instructions on `<16 x float>`: one register with AVX-512, two with AVX2, and
whatever LLVM makes of it elsewhere. A `tile` is a block of vectors, rows x columns, that LLVM keeps
in registers while a loop adds products to it. Its shape is part of its type, so that a kernel is
compiled once for each shape and for any array sizes.

Arrays are float32 of any number of axes and C-contiguous; an index counts floats from the start
and, where a vector is loaded or stored whole, is a multiple of 16. Those that begin at a cache line
are faster. LLVM is not told so: the same instructions would crash on one that does not, and a look
at an array's address costs Python more than any other check.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import NativeValue, intrinsic, models, register_model, unbox

from npnet.kernels import _jit

LANES = 16
ALIGNMENT = 64  # bytes: one cache line, one AVX-512 register
FLOAT_BYTES = 4

FLOAT, INT32, INT64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
VECTOR = ir.VectorType(FLOAT, LANES)
BYTE_POINTER = ir.IntType(8).as_pointer()
PREFETCH = [INT32(0), INT32(3), INT32(1)]  # to read, into all caches, data
INDEX = types.intp


class Vector(types.Type):
    """The type of 16 float32 lanes."""

    def __init__(self):
        super().__init__(name="float32x16")


class Tile(types.Type):
    """The type of rows x columns vectors."""

    def __init__(self, rows, columns):
        self.rows, self.columns = rows, columns
        super().__init__(name=f"tile{rows}x{columns}")


class TileShapeType(types.Type):
    """The type of one TileShape: a kernel that takes it is compiled for that shape."""

    def __init__(self, rows, columns):
        self.rows, self.columns = rows, columns
        super().__init__(name=f"tileshape{rows}x{columns}")


class TileShape:
    """How many vectors a register tile holds; an argument of kernels.

    More vectors mean fewer loads for each multiplication, until the registers are full.
    """

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        self._numba_type_ = TileShapeType(rows, columns)

    def __repr__(self) -> str:
        return f"TileShape({self.rows}, {self.columns})"


# AVX-512 has 32 registers that hold a vector each; a tile leaves some for what it multiplies.
# AVX2 has 16 that hold half a vector: 4 x 1 are 8 of them, and larger ones spill.
WIDE = "+avx512f" in _jit.cpu()[1]


def product_shape(outputs: int) -> TileShape:
    """The tile for `add_products`: as few rows as possible beyond the outputs."""
    if outputs == 1:  # of a group of a depthwise convolution
        return TILES[1, 8] if WIDE else TILES[1, 4]
    if not WIDE:
        return TILES[6, 1] if -(-outputs // 6) * 6 < -(-outputs // 4) * 4 else TILES[4, 1]
    return TILES[6, 4] if outputs % 8 not in (0, 7) and outputs <= 32 else TILES[8, 2]


def row_shape(width: int = 2 * LANES) -> TileShape:
    """The tile for `add_row_products` where columns are `width` floats, a multiple of 16."""
    if not WIDE:
        return TILES[4, 1]
    return TILES[8, 1] if width % (2 * LANES) else TILES[8, 2]


def lane_shape(outputs: int) -> TileShape:
    """The tile for `add_lane_products`."""
    if outputs == 1:  # nine taps, or of 5x5 a third
        return TILES[1, 9] if WIDE else TILES[1, 5]
    if not WIDE:
        return TILES[2, 3]
    return TILES[3, 5] if outputs % 4 and outputs % 3 == 0 else TILES[4, 5]


SHAPES = [(4, 1), (6, 1), (2, 3), (8, 2), (8, 1), (12, 1), (6, 4), (4, 5), (3, 5)]
SHAPES += [(1, 8), (1, 4), (1, 9), (1, 5)]
TILES = {s: TileShape(*s) for s in SHAPES}

vector = Vector()
register_model(TileShapeType)(models.OpaqueModel)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, VECTOR)


@register_model(Tile)
class _TileModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, ir.ArrayType(VECTOR, kind.rows * kind.columns))


@unbox(TileShapeType)
def _unbox_shape(kind, value, c):
    return NativeValue(c.context.get_dummy_value())


# ---- pieces of LLVM ----------------------------------------------------------------------------


def _address(context, builder, sig, args, position, index):
    """The address of float `index` of the array that is argument `position`."""
    return builder.gep(_data(context, builder, sig, args, position), [index], source_etype=FLOAT)


def _data(context, builder, sig, args, position):
    return context.make_array(sig.args[position])(context, builder, args[position]).data


def _step(builder, address, count, stride):
    """`address` moved on by `count` (a Python number) times `stride` floats."""
    return builder.gep(address, [builder.mul(stride, stride.type(count))], source_etype=FLOAT)


def _load(builder, address):
    return builder.load(address, typ=VECTOR, align=FLOAT_BYTES)


def _store(builder, value, address):
    # llvmlite still checks what a pointer points to; to LLVM this cast is nothing
    builder.store(value, builder.bitcast(address, VECTOR.as_pointer()), align=FLOAT_BYTES)


def _splat(builder, scalar):
    first = builder.insert_element(VECTOR(ir.Undefined), scalar, INT32(0))
    zeros = ir.VectorType(INT32, LANES)([0] * LANES)
    return builder.shuffle_vector(first, VECTOR(ir.Undefined), zeros)


def _call(builder, name, *args):
    """Call an LLVM intrinsic on vectors."""
    kind = ir.FunctionType(VECTOR, [VECTOR] * len(args))
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def _multiply_add(builder, a, b, c):
    """a * b + c, fused where the CPU can."""
    return _call(builder, "llvm.fmuladd.v16f32", a, b, c)


def _each(tile):
    """(position, row, column) of the vectors of a tile."""
    return [(r * tile.columns + c, r, c) for r in range(tile.rows) for c in range(tile.columns)]


# ---- vectors -----------------------------------------------------------------------------------


@intrinsic
def load(typing, array, index):
    """Sixteen floats from `index` on."""

    def code(context, builder, sig, args):
        return _load(builder, _address(context, builder, sig, args, 0, args[1]))

    return vector(array, INDEX), code


@intrinsic
def store(typing, array, index, value):
    """Write sixteen floats from `index` on."""

    def code(context, builder, sig, args):
        address = _address(context, builder, sig, args, 0, args[1])
        _store(builder, args[2], address)
        return context.get_dummy_value()

    return types.void(array, INDEX, vector), code


@intrinsic
def splat(typing, number):
    """A number in all lanes."""

    def code(context, builder, sig, args):
        return _splat(builder, args[0])

    return vector(types.float32), code


@intrinsic
def fma(typing, a, b, c):
    """a * b + c."""

    def code(context, builder, sig, args):
        return _multiply_add(builder, *args)

    return vector(vector, vector, vector), code


@intrinsic
def add(typing, a, b):
    """a + b."""

    def code(context, builder, sig, args):
        return builder.fadd(*args)

    return vector(vector, vector), code


@intrinsic
def sub(typing, a, b):
    """a - b."""

    def code(context, builder, sig, args):
        return builder.fsub(*args)

    return vector(vector, vector), code


@intrinsic
def load_or_zero(typing, array, index, inside):
    """Sixteen floats from `index` on, or zeros and no access there."""

    def code(context, builder, sig, args):
        zero = cgutils.global_constant(builder, "zeros", VECTOR([0.0] * LANES))
        zero.align = ALIGNMENT
        zero = builder.bitcast(zero, FLOAT.as_pointer())
        address = _address(context, builder, sig, args, 0, args[1])
        return _load(builder, builder.select(args[2], address, zero))

    return vector(array, INDEX, types.boolean), code


@intrinsic
def prefetch(typing, array, index):
    """Begin to fetch the line of float `index`, which may lie outside of the array."""

    def code(context, builder, sig, args):
        _prefetch(builder, _address(context, builder, sig, args, 0, args[1]))
        return context.get_dummy_value()

    return types.void(array, INDEX), code


def _prefetch(builder, address):
    kind = ir.FunctionType(ir.VoidType(), [BYTE_POINTER, INT32, INT32, INT32])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [builder.bitcast(address, BYTE_POINTER), *PREFETCH])


@intrinsic
def prefetch_tile(typing, shape, array, start, down, right):
    """Begin to fetch what a tile is stored to, see `store_tile`; some may lie outside."""

    def code(context, builder, sig, args):
        first = _address(context, builder, sig, args, 1, args[2])
        for _, r, c in _each(shape):
            _prefetch(builder, _step(builder, _step(builder, first, r, args[3]), c, args[4]))
        return context.get_dummy_value()

    return types.void(shape, array, INDEX, INDEX, INDEX), code


@intrinsic
def total(typing, a, lanes):
    """The sum of the first `lanes` lanes, in pairs; those beyond may hold anything, NaN too."""

    def code(context, builder, sig, args):
        return _total(builder, args[0], _first_lanes(builder, args[1]))

    return types.float32(vector, INDEX), code


def _first_lanes(builder, lanes):
    """A mask: true in the lanes below `lanes`."""
    kind = ir.VectorType(INT32, LANES)
    count = builder.insert_element(kind(ir.Undefined), builder.trunc(lanes, INT32), INT32(0))
    count = builder.shuffle_vector(count, kind(ir.Undefined), kind([0] * LANES))
    return builder.icmp_signed("<", kind(list(range(LANES))), count)


def _total(builder, value, mask):
    value = builder.select(mask, value, VECTOR([0.0] * LANES))
    kind = ir.FunctionType(FLOAT, [FLOAT, VECTOR])
    reduce = cgutils.get_or_insert_function(builder.module, kind, "llvm.vector.reduce.fadd.v16f32")
    return builder.call(reduce, [FLOAT(0.0), value], fastmath=("reassoc",))


# ---- tiles -------------------------------------------------------------------------------------


@intrinsic
def rows(typing, shape):
    """Rows of a TileShape, known when the kernel is compiled."""
    return INDEX(shape), lambda context, builder, sig, args: INT64(sig.args[0].rows)


@intrinsic
def columns(typing, shape):
    """Columns of a TileShape, known when the kernel is compiled."""
    return INDEX(shape), lambda context, builder, sig, args: INT64(sig.args[0].columns)


@intrinsic
def zeros(typing, shape):
    """A tile of zeros."""
    tile = Tile(shape.rows, shape.columns)
    return tile(shape), lambda context, builder, sig, args: context.get_constant_null(tile)


@intrinsic
def from_rows(typing, shape, array, at, down, last):
    """tile[r][c] = array[at + min(r, last) * down], in all lanes."""
    tile = Tile(shape.rows, shape.columns)

    def code(context, builder, sig, args):
        first = _address(context, builder, sig, args, 1, args[2])
        result = context.get_constant_undef(tile)
        for r, address in enumerate(_rows(builder, tile, first, args[3], args[4])):
            value = _splat(builder, builder.load(address, typ=FLOAT))
            for c in range(tile.columns):
                result = builder.insert_value(result, value, r * tile.columns + c)
        return result

    return tile(shape, array, INDEX, INDEX, INDEX), code


@intrinsic
def load_tile(typing, shape, array, at, down, last, right):
    """tile[r][c] = array[at + min(r, last) * down + c * right : + 16]."""
    tile = Tile(shape.rows, shape.columns)

    def code(context, builder, sig, args):
        first = _address(context, builder, sig, args, 1, args[2])
        result = context.get_constant_undef(tile)
        for r, address in enumerate(_rows(builder, tile, first, args[3], args[4])):
            for c in range(tile.columns):
                value = _load(builder, _step(builder, address, c, args[5]))
                result = builder.insert_value(result, value, r * tile.columns + c)
        return result

    return tile(shape, array, INDEX, INDEX, INDEX, INDEX), code


@intrinsic
def add_products(typing, tile, w, at, x, start, right):
    """tile[r][c] += w[at + r] * x[start + c * right : + 16]."""

    def code(context, builder, sig, args):
        first = _address(context, builder, sig, args, 3, args[4])
        xs = [_load(builder, _step(builder, first, c, args[5])) for c in range(tile.columns)]
        weights = _address(context, builder, sig, args, 1, args[2])
        return _add_products(builder, tile, args[0], _next(builder, tile, weights), xs)

    return tile(tile, w, INDEX, x, INDEX, INDEX), code


@intrinsic
def add_products_inside(typing, tile, w, at, x, start, right, column, step, width):
    """The same for the columns c where column + c * step is in 0..width; the others stay."""

    def code(context, builder, sig, args):
        first = _address(context, builder, sig, args, 3, args[4])
        anywhere = _data(context, builder, sig, args, 3)  # what is read there is dropped
        xs, masks = [], []
        for c in range(tile.columns):
            place = builder.add(args[6], builder.mul(args[7], INT64(c)))
            inside = builder.icmp_unsigned("<", place, args[8])  # a negative one is a huge one
            address = builder.select(inside, _step(builder, first, c, args[5]), anywhere)
            xs.append(_load(builder, address))
            masks.append(_splat_mask(builder, inside))
        weights = _address(context, builder, sig, args, 1, args[2])
        return _add_products(builder, tile, args[0], _next(builder, tile, weights), xs, masks)

    return tile(tile, w, INDEX, x, INDEX, INDEX, INDEX, INDEX, INDEX), code


def _splat_mask(builder, inside):
    kind = ir.VectorType(ir.IntType(1), LANES)
    first = builder.insert_element(kind(ir.Undefined), inside, INT32(0))
    zeros = ir.VectorType(INT32, LANES)([0] * LANES)
    return builder.shuffle_vector(first, kind(ir.Undefined), zeros)


@intrinsic
def add_row_products(typing, tile, w, at, down, last, x, start, right):
    """tile[r][c] += w[at + min(r, last) * down] * x[start + c * right : + 16].

    `last` keeps a tile that reaches out of a matrix at its bottom from reading there.
    """

    def code(context, builder, sig, args):
        first = _address(context, builder, sig, args, 5, args[6])
        xs = [_load(builder, _step(builder, first, c, args[7])) for c in range(tile.columns)]
        weights = _address(context, builder, sig, args, 1, args[2])
        return _add_products(builder, tile, args[0], _rows(builder, tile, weights, *args[3:5]), xs)

    return tile(tile, w, INDEX, INDEX, INDEX, x, INDEX, INDEX), code


def _next(builder, tile, first):
    """The addresses of as many floats as a tile has rows."""
    return [builder.gep(first, [INT64(r)], source_etype=FLOAT) for r in range(tile.rows)]


def _rows(builder, tile, first, down, last):
    """The addresses first + min(r, last) * down for the rows r of a tile."""
    addresses = [first]
    for r in range(1, tile.rows):
        row = builder.select(builder.icmp_signed("<", INT64(r), last), INT64(r), last)
        addresses.append(builder.gep(first, [builder.mul(row, down)], source_etype=FLOAT))
    return addresses


def _add_products(builder, tile, acc, weights, xs, masks=None):
    for r in range(tile.rows):
        w = _splat(builder, builder.load(weights[r], typ=FLOAT))
        for c in range(tile.columns):
            k = r * tile.columns + c
            before = builder.extract_value(acc, k)
            value = _multiply_add(builder, xs[c], w, before)
            if masks:
                value = builder.select(masks[c], value, before)
            acc = builder.insert_value(acc, value, k)
    return acc


@intrinsic
def add_lane_products(typing, tile, a, at, down, last, x, start, offsets, k):
    """tile[r][c] += a[at + min(r, last) * down : + 16] * x[start + offsets[k + c] : + 16]."""

    def code(context, builder, sig, args):
        acc = args[0]
        base = _address(context, builder, sig, args, 5, args[6])
        table = _data(context, builder, sig, args, 7)
        xs = []
        for c in range(tile.columns):
            entry = builder.gep(table, [builder.add(args[8], INT64(c))], source_etype=INT64)
            offset = builder.load(entry, typ=INT64)
            xs.append(_load(builder, builder.gep(base, [offset], source_etype=FLOAT)))
        first = _address(context, builder, sig, args, 1, args[2])
        for r, address in enumerate(_rows(builder, tile, first, *args[3:5])):
            value = _load(builder, address)
            for c in range(tile.columns):
                i = r * tile.columns + c
                total = _multiply_add(builder, value, xs[c], builder.extract_value(acc, i))
                acc = builder.insert_value(acc, total, i)
        return acc

    return tile(tile, a, INDEX, INDEX, INDEX, x, INDEX, offsets, INDEX), code


@intrinsic
def add_tile(typing, tile, x, start, down, right, rows, columns):
    """tile[r][c] += x[start + r * down + c * right : + 16] for r < rows, c < columns."""

    def code(context, builder, sig, args):
        acc, first = args[0], _address(context, builder, sig, args, 1, args[2])
        for k, r, c in _each(tile):
            inside = builder.and_(
                builder.icmp_signed(">", args[5], INT64(r)),
                builder.icmp_signed(">", args[6], INT64(c)),
            )
            place = _step(builder, _step(builder, first, r, args[3]), c, args[4])
            value = _load(builder, builder.select(inside, place, first))  # others are never stored
            value = builder.fadd(builder.extract_value(acc, k), value)
            acc = builder.insert_value(acc, value, k)
        return acc

    return tile(tile, x, INDEX, INDEX, INDEX, INDEX, INDEX), code


@intrinsic
def rectified(typing, tile):
    """max(tile, 0), and NaN where it is."""

    def code(context, builder, sig, args):
        acc, zero = args[0], VECTOR([0.0] * LANES)
        for k, _, _ in _each(tile):
            value = builder.extract_value(acc, k)
            value = builder.select(builder.fcmp_ordered(">", zero, value), zero, value)
            acc = builder.insert_value(acc, value, k)
        return acc

    return tile(tile), code


@intrinsic
def spoiled(typing, tile):
    """Zeros, or NaN in the lanes where a vector of the tile is not finite."""

    def code(context, builder, sig, args):
        zero = VECTOR([0.0] * LANES)
        result = zero
        for k, _, _ in _each(tile):
            result = _multiply_add(builder, builder.extract_value(args[0], k), zero, result)
        return result

    return vector(tile), code


@intrinsic
def store_tile(typing, tile, y, start, down, right, rows, columns):
    """y[start + r * down + c * right : + 16] = tile[r][c] for r < rows, c < columns."""

    def code(context, builder, sig, args):
        first = _address(context, builder, sig, args, 1, args[2])

        def put(k, r, c):
            place = _step(builder, _step(builder, first, r, args[3]), c, args[4])
            _store(builder, builder.extract_value(args[0], k), place)

        whole = builder.and_(
            builder.icmp_signed(">=", args[5], INT64(tile.rows)),
            builder.icmp_signed(">=", args[6], INT64(tile.columns)),
        )
        with builder.if_else(whole, likely=True) as (all_of_it, a_part):
            with all_of_it:  # no branch for each vector
                for position in _each(tile):
                    put(*position)
            with a_part:
                for k, r, c in _each(tile):
                    inside = builder.and_(
                        builder.icmp_signed(">", args[5], INT64(r)),
                        builder.icmp_signed(">", args[6], INT64(c)),
                    )
                    with builder.if_then(inside):
                        put(k, r, c)
        return context.get_dummy_value()

    return types.void(tile, y, INDEX, INDEX, INDEX, INDEX, INDEX), code


@intrinsic
def add_totals(typing, tile, y, start, down, rows, columns, lanes):
    """y[start + r * down + c] += total(tile[r][c], lanes) for r < rows, c < columns."""

    def code(context, builder, sig, args):
        first = _address(context, builder, sig, args, 1, args[2])
        mask = _first_lanes(builder, args[6])
        for k, r, c in _each(tile):
            inside = builder.and_(
                builder.icmp_signed(">", args[4], args[4].type(r)),
                builder.icmp_signed(">", args[5], args[5].type(c)),
            )
            with builder.if_then(inside, likely=True):
                place = builder.gep(
                    _step(builder, first, r, args[3]), [INT32(c)], source_etype=FLOAT
                )
                value = _total(builder, builder.extract_value(args[0], k), mask)
                builder.store(builder.fadd(builder.load(place, typ=FLOAT), value), place)
        return context.get_dummy_value()

    return types.void(tile, y, INDEX, INDEX, INDEX, INDEX, INDEX), code


@intrinsic
def store_pieces(typing, shape, y, start, apart, value, count):
    """y[start + i * apart + r] = value[i * rows + r] for the rows r of a TileShape, i < count."""
    rows = shape.rows

    def code(context, builder, sig, args):
        first = _address(context, builder, sig, args, 1, args[2])
        kind = ir.VectorType(FLOAT, rows)
        for i in range(LANES // rows):
            lanes = ir.VectorType(INT32, rows)(list(range(i * rows, (i + 1) * rows)))
            with builder.if_then(builder.icmp_signed(">", args[5], INT64(i)), likely=True):
                piece = builder.shuffle_vector(args[4], VECTOR(ir.Undefined), lanes)
                place = _step(builder, first, i, args[3])
                builder.store(piece, builder.bitcast(place, kind.as_pointer()), align=FLOAT_BYTES)
        return context.get_dummy_value()

    return types.void(shape, y, INDEX, INDEX, vector, INDEX), code


# ---- layout ------------------------------------------------------------------------------------


@intrinsic
def transpose(typing, x, start, x_stride, y, at, y_stride):
    """y[at + r * y_stride + c] = x[start + c * x_stride + r] for r, c < 16; no alignment needed.

    Four times, interleave row i with row i + 8: each halves the distance between neighbours.
    """

    def code(context, builder, sig, args):
        first = _address(context, builder, sig, args, 0, args[1])
        v = [
            builder.load(_step(builder, first, i, args[2]), typ=VECTOR, align=4)
            for i in range(LANES)
        ]
        low = [k for i in range(LANES // 2) for k in (i, i + LANES)]
        high = [k + LANES // 2 for k in low]
        masks = [ir.VectorType(INT32, LANES)(m) for m in (low, high)]
        for _ in range(4):
            v = [builder.shuffle_vector(v[i], v[i + 8], m) for i in range(8) for m in masks]
        first = _address(context, builder, sig, args, 3, args[4])
        for i in range(LANES):
            place = builder.bitcast(_step(builder, first, i, args[5]), VECTOR.as_pointer())
            builder.store(v[i], place, align=4)
        return context.get_dummy_value()

    return types.void(x, INDEX, INDEX, y, INDEX, INDEX), code
