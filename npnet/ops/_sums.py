"""Sums of many floats whose error hardly grows with their number: every op's sums are these.

NumPy adds in pairs along the axis that lies innermost in memory, but one by one along all others:
of float32 ones, it can count to 2^24 there. Here rows are added in blocks of `BLOCK_ROWS`, then the
blocks' sums in the same way, so that each value goes through O(log n) roundings, as in PyTorch.
The order of the additions follows from shape and strides alone.

Source: Higham (1993), "The accuracy of floating point summation", section 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS

__all__ = [
    "add_at",
    "add_parts",
    "add_products",
    "add_up",
    "centred",
    "mean",
    "multiply",
    "running_sums",
]

FEW = 64  # values that NumPy may add one by one: their error is small, and so is the call's time
BLOCK_ROWS = 32  # rows, or blocks of rows, that are added one by one
WIDE_ROW = 1024  # floats of a row: narrower ones are put side by side, which NumPy adds faster
PIECE = 2**16  # values that are copied, or multiplied, at a time: they stay in the cache
INNER = 2**15  # products that BLAS may add at its own discretion


def add_up(x: Array, axes: Sequence[int], keepdims: bool = False) -> Array:
    """The sum over `axes` (none of them negative) of an array with any strides, in its dtype.

    Integers are exact, as long as they fit; floats of 16 bits are added up in float64.
    """
    if x.dtype.kind not in FLOATS or x.dtype.itemsize < 4:
        wide = np.float64 if x.dtype.kind in FLOATS else x.dtype
        y = np.asarray(x.sum(tuple(axes), dtype=wide, keepdims=keepdims))
        return y.astype(x.dtype, copy=False)
    if math.prod([x.shape[a] for a in axes]) <= FEW or x.size == 0:
        return np.asarray(x.sum(tuple(axes), keepdims=keepdims))
    inner = _innermost(x, axes)
    if len(inner) == len(axes):
        return np.asarray(x.sum(inner, keepdims=keepdims))  # NumPy adds in pairs
    if inner:
        y = x.sum(inner, keepdims=True)
        y = add_up(y, [a for a in axes if a not in inner], keepdims=True)
        return y if keepdims else y.reshape([n for a, n in enumerate(x.shape) if a not in axes])
    return _add_up(x, axes, keepdims)


def _innermost(x: Array, axes: Sequence[int]) -> tuple[int, ...]:
    """The axes among `axes` whose values lie together in memory."""
    if x.flags.c_contiguous:
        first = x.ndim
        while first - 1 in axes:
            first -= 1
        return tuple(range(first, x.ndim))
    return tuple(axes) if len(axes) == x.ndim and x.flags.f_contiguous else ()


def _add_up(x: Array, axes: Sequence[int], keepdims: bool) -> Array:
    # The axes along which values differ, outermost in memory first; the rest only repeats them.
    moving = sorted(
        (a for a in range(x.ndim) if x.shape[a] > 1 and x.strides[a]),
        key=lambda a: -abs(x.strides[a]),
    )
    still = [a for a in range(x.ndim) if a not in moving]
    first: tuple[Any, ...] = (..., *[0] * len(still))
    values = x.transpose(*moving, *still)[first]
    y = _reduce(values, [a in axes for a in moving])
    repeats = math.prod(x.shape[a] for a in still if a in axes)
    if repeats > 1:
        y = y * x.dtype.type(repeats)
    kept = [a for a in moving if a not in axes]
    y = y.transpose([kept.index(a) for a in sorted(kept)])
    y = y.reshape([n if a in kept else 1 for a, n in enumerate(x.shape)])
    shape = [1 if a in axes else n for a, n in enumerate(x.shape)]
    y = np.broadcast_to(y, shape).copy() if list(y.shape) != shape else y
    return y if keepdims else y.reshape([n for a, n in enumerate(shape) if a not in axes])


def _reduce(x: Array, reduced: Sequence[bool]) -> Array:
    """The sum over the axes where `reduced` holds; strides fall from the first to the last."""
    if x.flags.c_contiguous:
        return _reduce_contiguous(x, reduced)
    if x.size <= PIECE:
        return _reduce_contiguous(x.copy(), reduced)
    half = len(x) // 2
    if half == 0:
        y = _reduce(x[0], reduced[1:])
        return y if reduced[0] else y[None]
    first, second = _reduce(x[:half], reduced), _reduce(x[half:], reduced)
    return first + second if reduced[0] else np.concatenate((first, second))


def _reduce_contiguous(x: Array, reduced: Sequence[bool]) -> Array:
    """The same of memory without gaps: the innermost axes that are reduced, then the next ones."""
    if True not in reduced:
        return x
    flags = list(reduced)
    last = len(flags)
    while not flags[last - 1]:
        last -= 1
    first = last - 1
    while first and flags[first - 1]:
        first -= 1
    count, inner = math.prod(x.shape[first:last]), x.shape[last:]
    if inner:
        y = _add_rows(x.reshape(-1, count, math.prod(inner)))
    else:
        y = np.asarray(x.reshape(-1, count).sum(1))  # NumPy adds in pairs
    return _reduce_contiguous(y.reshape(x.shape[:first] + inner), flags[:first] + flags[last:])


def _add_rows(x: Array) -> Array:
    """The sum over the rows of each matrix.  Shape: (k, n, m) -> (k, m)."""
    k, n, m = x.shape
    if n <= BLOCK_ROWS:
        return np.asarray(x.sum(1))
    aside = min(WIDE_ROW // m, n // 2)
    if aside > 1:  # rows that follow one another in memory are one wide row
        whole = n // aside * aside
        y = _add_rows(x[:, :whole].reshape(k, n // aside, aside * m))
        y = _add_halves(y.reshape(k, aside, m))
    else:
        whole = n // BLOCK_ROWS * BLOCK_ROWS
        y = _add_rows(x[:, :whole].reshape(k, n // BLOCK_ROWS, BLOCK_ROWS, m).sum(2))
    return y if whole == n else y + _add_halves(x[:, whole:])


def _add_halves(x: Array) -> Array:
    """The sum over the middle axis of (k, n, m), in pairs, or of few long rows one by one."""
    while (n := x.shape[1]) > 1:
        if n <= BLOCK_ROWS <= x.shape[2]:
            return np.asarray(x.sum(1))
        y = x[:, : n // 2] + x[:, n // 2 : n // 2 * 2]
        if n % 2:
            y[:, 0] += x[:, -1]
        x = y
    return x[:, 0]


def mean(x: Array, axes: Sequence[int], keepdims: bool = False) -> Array:
    """The mean over `axes`; NaN of nothing."""
    if x.dtype == np.float16:  # whose sum may be infinite
        return mean(x.astype(np.float32), axes, keepdims).astype(x.dtype)
    count = math.prod([x.shape[a] for a in axes])
    return np.asarray(np.divide(add_up(x, axes, keepdims), x.dtype.type(count)))


def add_products(
    a: Array, b: Array, axes: Sequence[int], keepdims: bool = False, less: Array | None = None
) -> Array:
    """The sum of a * b, or of a * (b - less), over `axes`, without an array of all products.

    Shape: a and b alike; less the same with `axes` of size 1.
    """
    y = _add_products(a, b, less, axes, _room(a))
    return y if keepdims else y.reshape([n for i, n in enumerate(a.shape) if i not in axes])


def _room(x: Array) -> Array:
    """Memory for a piece of x."""
    return np.empty(min(x.size, PIECE), x.dtype)


def _add_products(
    a: Array, b: Array, less: Array | None, axes: Sequence[int], room: Array
) -> Array:
    if a.size <= PIECE:
        if less is not None:
            b = np.subtract(b, less, out=room[: a.size].reshape(a.shape))
        return _add_few_products(a, b, axes, room)
    at, parts = _halves(a.shape)
    first, second = (
        _add_products(a[part], b[part], _part(less, part, at, axes), axes, room) for part in parts
    )
    return first + second if at in axes else np.concatenate((first, second), at)


def _add_few_products(a: Array, b: Array, axes: Sequence[int], room: Array) -> Array:
    inner = _innermost(a, axes) if b.flags.c_contiguous else ()
    if not 32 <= math.prod([a.shape[i] for i in inner]) <= 4096:
        y = np.multiply(a, b, out=room[: a.size].reshape(a.shape))
        return add_up(y, axes, keepdims=True)
    # In as many sums at a time as a vector has lanes.
    every, rows = [*range(a.ndim)], [*range(a.ndim - len(inner))]
    y = np.einsum(a, every, b, every, rows).reshape(*a.shape[: len(rows)], *[1] * len(inner))
    return add_up(y, [i for i in axes if i not in inner], keepdims=True)


def _halves(shape: tuple[int, ...]) -> tuple[int, list[tuple[slice, ...]]]:
    """The first axis that has some length, and the indices of its halves."""
    at = next(i for i, n in enumerate(shape) if n > 1)
    before, half = (slice(None),) * at, shape[at] // 2
    return at, [(*before, slice(half)), (*before, slice(half, None))]


def _part(x: Array | None, part: tuple[slice, ...], at: int, axes: Sequence[int]) -> Array | None:
    """That part of an array in which `axes` have size 1."""
    return x if x is None or at in axes else x[part]


class Centred(NamedTuple):
    """Values less their mean, which is kept as two numbers: see `centred`."""

    y: Array
    start: Array
    off: Array
    squares: Array


def centred(x: Array, axes: Sequence[int]) -> Centred:
    """y = x - start, whose mean over `axes` is off, and the sum of (y - off)^2.

    So the mean is start + off. It is within a deviation of `start`, and y as exact as x, also where
    the mean is large beside the deviation. The sum of squares is that of y^2 less n * off^2, where
    no more than half cancels. All but y keep the axes, of size 1.

    Source: Chan, Golub, LeVeque (1983), (1.7), and section 4 on a shift by some of the values.
    """
    count = x.dtype.type(math.prod([x.shape[a] for a in axes]))
    few = x[: max(1, PIECE * len(x) // max(x.size, 1))] if 0 in axes else x
    start, y, room = mean(few, axes, keepdims=True), np.empty(x.shape, x.dtype), _room(x)
    for _ in range(2):
        total, squares = _centre(x, start, axes, y, room)
        off, excess = total / count, total * (total / count)
        if len(few) == len(x) or bool(np.all(2 * excess <= squares)):
            break
        few, start = x, start + off  # those were not like the others, or something is infinite
    squares = np.maximum(squares - np.where(np.isfinite(excess), excess, 0), 0)  # inf - inf: NaN
    return Centred(y, start, np.where(np.isfinite(off), off, 0), squares)


def _centre(
    x: Array, start: Any, axes: Sequence[int], y: Array, room: Array
) -> tuple[Array, Array]:
    """y = x - start, piece by piece: it is in the cache when it and its squares are summed."""
    if x.size <= PIECE:
        np.subtract(x, start, out=y)
        return add_up(y, axes, keepdims=True), _add_few_products(y, y, axes, room)
    at, parts = _halves(x.shape)
    first, second = (
        _centre(x[part], _part(start, part, at, axes), axes, y[part], room) for part in parts
    )
    if at in axes:
        return first[0] + second[0], first[1] + second[1]
    return np.concatenate((first[0], second[0]), at), np.concatenate((first[1], second[1]), at)


def running_sums(x: Array, dim: int) -> Array:
    """y_i = sum over j <= i of x_j along an axis, in float64 on the way, as in PyTorch."""
    if x.dtype.kind not in FLOATS or x.dtype.itemsize > 4:
        return np.cumsum(x, dim, dtype=x.dtype)
    y = np.empty(x.shape, x.dtype)
    _run(np.moveaxis(x, dim, 0), np.moveaxis(y, dim, 0))
    return y


def _run(x: Array, y: Array) -> None:
    """y_i = sum over j <= i of x_j along the first axis."""
    others = [a for a in range(1, x.ndim) if x.shape[a] > 1]
    outer = max(others, key=lambda a: abs(x.strides[a]), default=0)
    long = math.prod(x.shape[1:]) > PIECE or abs(x.strides[outer]) > abs(x.strides[0])
    if outer and x.size > PIECE and long:  # what lies apart is independent
        before, half = (slice(None),) * outer, x.shape[outer] // 2
        for part in (slice(half), slice(half, None)):
            _run(x[(*before, part)], y[(*before, part)])
        return
    carry: Any = 0.0
    rows = max(PIECE // max(math.prod(x.shape[1:]), 1), 1)
    for i in range(0, len(x), rows):
        sums = np.cumsum(x[i : i + rows], 0, dtype=np.float64)
        sums += carry
        y[i : i + rows] = sums
        carry = sums[-1]


def add_at(shape: tuple[int, ...], index: Any, values: Array) -> Array:
    """Zeros of `shape`, to which the values are added where they belong: `y[index] += values`."""
    y = np.zeros(
        shape, values.dtype if values.size <= FEW else np.promote_types(values.dtype, np.float64)
    )
    np.add.at(y, index, values)  # an index may name one place many times
    return y.astype(values.dtype, copy=False)


def add_parts(parts: Iterable[Array], shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """The sum of arrays of one shape and dtype that come one by one, `BLOCK_ROWS` at a time."""
    total, some = None, np.zeros(shape, dtype)
    for k, part in enumerate(parts, 1):
        some += part
        if k % BLOCK_ROWS == 0:
            total = np.zeros(shape, np.promote_types(dtype, np.float64)) if total is None else total
            total += some
            some[...] = 0
    return some if total is None else (total + some).astype(dtype, copy=False)


def multiply(a: Array, b: Array) -> Array:
    """The product of matrices, in blocks where BLAS would add a long row one by one.

    Shape: (..., n, k), (..., k, m) -> (..., n, m).
    """
    inner = a.shape[-1]
    if inner <= INNER:
        return np.matmul(a, b)
    blocks = (slice(i, i + INNER) for i in range(0, inner, INNER))
    parts = (np.matmul(a[..., at], b[..., at, :]) for at in blocks)
    shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
    return add_parts(parts, shape, a.dtype)
