"""Windows along a row of pixels, whose sizes are all known when a kernel is compiled.

A `WindowShape` says by its type how large a tile is, how its windows lie in a row, and what becomes
of the sums. So the taps stand one after the other in the code, those outside of the image are not
there, and no loop and no mask is left: 95 % of what the registers can do, where loops over taps
reach 75 to 89. A kernel is compiled for each shape, in a third of a second.
"""

from __future__ import annotations

from numba import types
from numba.extending import intrinsic, models, register_model, unbox

from npnet.kernels.simd import (
    FLOAT,
    INDEX,
    INT64,
    LANES,
    Tile,
    TileShape,
    TileShapeType,
    _address,
    _load,
    _multiply_add,
    _splat,
    _unbox_shape,
)
from npnet.kernels.simd_exp import _sigmoid, _tanh
from npnet.kernels.simd_math import _choose

__all__ = [
    "WindowShape",
    "activated",
    "add_neighbours",
    "add_windows",
    "no_sums",
    "pool",
    "scaled",
    "step",
]


class WindowShapeType(TileShapeType):
    """The type of one WindowShape."""

    def __init__(self, rows, columns, taps, step, apart, base, width, activation, pool):
        super().__init__(rows, columns)
        self.taps, self.step, self.apart = taps, step, apart
        self.base, self.width, self.activation, self.pool = base, width, activation, pool
        sizes = f"{taps}_{step}_{apart}_{base}_{width}_{activation}_{pool}"
        self.name = f"windowshape{rows}x{columns}_{sizes}"


register_model(WindowShapeType)(models.OpaqueModel)
unbox(WindowShapeType)(_unbox_shape)


class WindowShape(TileShape):
    """A tile of outputs x results along a row: result t reads what stands at

        base + t * step,  base + t * step + apart,  ...

    by its `taps`, as far as that is in 0..width.

    Attributes:
        width: pixels of the row; None if no tap is ever outside, and `base` is 0.
        activation: "relu", "sigmoid" or "tanh" of the sums, or "".
        pool: results side by side of which a mean is taken; or 1.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        taps: int,
        step: int = 1,
        apart: int = 1,
        base: int = 0,
        width: int | None = None,
        activation: str = "",
        pool: int = 1,
    ) -> None:
        super().__init__(rows, columns)
        self.taps, self.step, self.apart = taps, step, apart
        self.base, self.width, self.activation, self.pool = base, width, activation, pool
        self._numba_type_ = WindowShapeType(
            rows, columns, taps, step, apart, base, width, activation, pool
        )

    def __repr__(self) -> str:
        return f"WindowShape({self._numba_type_.name})"


@intrinsic
def step(typing, shape):
    """Pixels from the windows of one result to those of the next."""
    return INDEX(shape), lambda context, builder, sig, args: INT64(sig.args[0].step)


@intrinsic
def pool(typing, shape):
    """Results side by side of which a mean is taken."""
    return INDEX(shape), lambda context, builder, sig, args: INT64(sig.args[0].pool)


@intrinsic
def add_windows(typing, shape, tile, w, at, x, start):
    """tile[r][t] += sum over v of w[at + v * rows + r] * x[start + 16 * place(t, v) : + 16].

    place(t, v) is base + t * step + v * apart; a tap that is not in 0..width adds nothing.
    """

    def code(context, builder, sig, args):
        acc, kind = args[1], sig.args[0]
        weights = _address(context, builder, sig, args, 2, args[3])
        row = _address(context, builder, sig, args, 4, args[5])
        for v in range(kind.taps):
            pixels = _pixels(builder, kind, row, v)
            for r in range(kind.rows):
                place = builder.gep(weights, [INT64(v * kind.rows + r)], source_etype=FLOAT)
                weight = _splat(builder, builder.load(place, typ=FLOAT))
                for t, pixel in pixels.items():
                    k = r * kind.columns + t
                    total = _multiply_add(builder, pixel, weight, builder.extract_value(acc, k))
                    acc = builder.insert_value(acc, total, k)
        return acc

    return tile(shape, tile, w, INDEX, x, INDEX), code


def _pixels(builder, kind, row, v):
    """By the number of the result, what tap v sees of a row."""
    pixels = {}
    for t in range(kind.columns):
        place = kind.base + t * kind.step + v * kind.apart
        if kind.width is None or 0 <= place < kind.width:
            address = builder.gep(row, [INT64(place * LANES)], source_etype=FLOAT)
            pixels[t] = _load(builder, address)
    return pixels


@intrinsic
def activated(typing, shape, tile):
    """The shape's activation of a tile."""

    def code(context, builder, sig, args):
        apply, acc, count = POINTWISE[shape.activation], args[1], tile.rows * tile.columns
        for first in range(0, count, AT_ONCE):
            some = range(first, min(first + AT_ONCE, count))
            values = apply(builder, [builder.extract_value(acc, k) for k in some])
            for k, value in zip(some, values, strict=True):
                acc = builder.insert_value(acc, value, k)
        return acc

    return tile(shape, tile), code


@intrinsic
def no_sums(typing, shape):
    """A tile of zeros for the sums of results side by side."""
    tile = Tile(shape.rows, shape.columns // shape.pool)
    return tile(shape), lambda context, builder, sig, args: context.get_constant_null(tile)


@intrinsic
def add_neighbours(typing, shape, sums, tile):
    """sums[r][t] + tile[r][t * pool] + tile[r][t * pool + 1] + ..., one after the other."""

    def code(context, builder, sig, args):
        acc, pool = args[1], sig.args[0].pool
        for k in range(sums.rows * sums.columns):
            total = builder.extract_value(acc, k)
            for i in range(k * pool, (k + 1) * pool):
                total = builder.fadd(total, builder.extract_value(args[2], i))
            acc = builder.insert_value(acc, total, k)
        return acc

    return sums(shape, sums, tile), code


@intrinsic
def scaled(typing, tile, number):
    """A tile times a number."""

    def code(context, builder, sig, args):
        acc, factor = args[0], _splat(builder, args[1])
        for k in range(tile.rows * tile.columns):
            value = builder.fmul(builder.extract_value(acc, k), factor)
            acc = builder.insert_value(acc, value, k)
        return acc

    return tile(tile, types.float32), code


AT_ONCE = 4  # vectors: for more there are not registers enough

POINTWISE = {
    "": lambda builder, xs: xs,
    "relu": lambda builder, xs: [_choose(builder, ">", 0.0, x, 0.0, x) for x in xs],  # NaN stays
    "sigmoid": lambda builder, xs: [_sigmoid(builder, x) for x in xs],
    "tanh": _tanh,
}
