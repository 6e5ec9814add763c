"""Tensors put together and in another order, made of other ops where that is as readable."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.ops import reduce, shape, splitting, views
from npnet.ops.broadcasting import check_tensors
from npnet.ops.shape import axis
from npnet.tape import Function, Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "block_diag",
    "cartesian_prod",
    "column_stack",
    "combinations",
    "concat",
    "diag",
    "diag_embed",
    "diagflat",
    "dstack",
    "fliplr",
    "flipud",
    "hstack",
    "meshgrid",
    "repeat_interleave",
    "roll",
    "rot90",
    "tile",
    "trace",
    "tril",
    "triu",
    "vstack",
]

# ---- together ----------------------------------------------------------------------------------


def concat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """`cat`.

    Example:
        >>> npnet.concat([npnet.tensor([1, 2]), npnet.tensor([3])])
        tensor([1, 2, 3])
    """
    return shape.cat(tensors, dim)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along the second axis, or the only one.

    Shape: (..., n1, ...), (..., n2, ...), ... -> (..., n1 + n2 + ..., ...).

    Raises:
        ShapeError: other sizes differ.

    Example:
        >>> npnet.hstack([npnet.tensor([1, 2]), npnet.tensor([3])])
        tensor([1, 2, 3])
    """
    parts = views.atleast_1d(list(tensors))
    return shape.cat(parts, 0 if parts[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along the first of at least two axes: vectors are rows.

    Shape: (n1, ...), (n2, ...), ... -> (n1 + n2 + ..., ...); (n,) counts as (1, n).

    Raises:
        ShapeError: other sizes differ.

    Example:
        >>> npnet.vstack([npnet.tensor([1, 2]), npnet.tensor([3, 4])])
        tensor([[1, 2],
                [3, 4]])
    """
    return shape.cat(views.atleast_2d(list(tensors)), 0)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along the third axis.

    Shape: (n, m, k1), (n, m, k2), ... -> (n, m, k1 + k2 + ...).

    Raises:
        ShapeError: other sizes differ.

    Example:
        >>> npnet.dstack([npnet.tensor([1, 2]), npnet.tensor([3, 4])])
        tensor([[[1, 3],
                 [2, 4]]])
    """
    return shape.cat(views.atleast_3d(list(tensors)), 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """`hstack`, where vectors are columns.

    Shape: (n, m1), (n, m2), ... -> (n, m1 + m2 + ...); (n,) counts as (n, 1).

    Raises:
        ShapeError: other sizes differ.

    Example:
        >>> npnet.column_stack([npnet.tensor([1, 2]), npnet.tensor([3, 4])])
        tensor([[1, 3],
                [2, 4]])
    """
    columns = [x if x.ndim > 1 else shape.reshape(x, (x.numel(), 1)) for x in tensors]
    return shape.cat(columns, 1)


def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with matrices along its diagonal, 0 elsewhere.

    Shape: (n1, m1), (n2, m2), ... -> (n1 + n2 + ..., m1 + m2 + ...).

    Example:
        >>> npnet.block_diag(npnet.tensor([[1, 2]]), npnet.tensor([[3], [4]]))
        tensor([[1, 2, 0],
                [0, 0, 3],
                [0, 0, 4]])
    """
    check_tensors("block_diag", *tensors)
    blocks = [views.atleast_2d(x) for x in tensors]
    for x in blocks:
        if x.ndim > 2:
            raise RuntimeError(f"block_diag: takes tensors of at most 2 axes, got {x.shape}")
    width, before, rows = sum(x.shape[1] for x in blocks), 0, []
    for x in blocks:
        after = width - before - x.shape[1]
        sides = [result(np.zeros((x.shape[0], n), x.dtype)) for n in (before, after)]
        rows.append(shape.cat([sides[0], x, sides[1]], 1))
        before += x.shape[1]
    return shape.cat(rows, 0)


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Coordinates of a grid: each vector expanded to the sizes of all.

    Args:
        indexing: "ij", the first along the rows, which is the default; "xy" exchanges the first
            two axes.

    Shape: (n1,), ..., (nk,) -> k tensors (n1, ..., nk).

    Raises:
        RuntimeError: one is no vector, or `indexing` is none of these.

    Example:
        >>> npnet.meshgrid(npnet.tensor([1, 2]), npnet.tensor([3, 4, 5]), indexing="ij")
        (tensor([[1, 1, 1],
                [2, 2, 2]]), tensor([[3, 4, 5],
                [3, 4, 5]]))
    """
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f"meshgrid: indexing must be 'ij' or 'xy', got {indexing!r}")
    if not tensors or any(x.ndim > 1 for x in tensors):
        raise RuntimeError(f"meshgrid: takes vectors, got {[x.shape for x in tensors]}")
    if len({x.dtype for x in tensors}) > 1:
        raise RuntimeError("meshgrid: all tensors must be of one dtype")
    swapped = indexing == "xy" and len(tensors) > 1
    order = [1, 0, *range(2, len(tensors))] if swapped else [*range(len(tensors))]
    sizes = [tensors[i].numel() for i in order]
    grids = [
        shape.expand(shape.reshape(tensors[i], [-1 if j == i else 1 for j in order]), sizes)
        if tensors[i].numel()
        else shape.expand(shape.reshape(tensors[i], [0 if j == i else 1 for j in order]), sizes)
        for i in range(len(tensors))
    ]
    return tuple(grids)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of one value of each vector, one a row; of one vector, itself.

    Shape: (n1,), ..., (nk,) -> (n1 * ... * nk, k).

    Example:
        >>> npnet.cartesian_prod(npnet.tensor([1, 2]), npnet.tensor([3, 4]))
        tensor([[1, 3],
                [1, 4],
                [2, 3],
                [2, 4]])
    """
    check_tensors("cartesian_prod", *tensors)
    if any(x.ndim != 1 for x in tensors):
        raise RuntimeError(f"cartesian_prod: takes vectors, got {[x.shape for x in tensors]}")
    if len(tensors) == 1:
        return tensors[0]
    grids = meshgrid(*tensors, indexing="ij")
    return shape.stack([views.ravel(grid) for grid in grids], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of r values of a vector, one a row.

    Shape: (n,) -> (n! / (r! (n - r)!), r), more with_replacement.

    Example:
        >>> npnet.combinations(npnet.tensor([1, 2, 3]))
        tensor([[1, 2],
                [1, 3],
                [2, 3]])
    """
    check_tensors("combinations", input)
    if input.ndim != 1 or r < 0:
        raise RuntimeError(f"combinations: takes a vector and r >= 0, got {input.shape} and {r}")
    if r == 0:
        return result(np.empty(0, input.dtype))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(choose(range(input.numel()), r))
    return input[result(np.array(rows, np.int64).reshape(len(rows), r))]


# ---- diagonals and triangles -------------------------------------------------------------------


class DiagEmbed(Function):
    """The last axis as a diagonal of two axes, 0 elsewhere;  gx is that diagonal of gy."""

    def __init__(self, offset: int, dim1: int, dim2: int) -> None:
        self.offset, self.dims = offset, (dim1, dim2)

    def forward(self, x: Array) -> Array:
        size = x.shape[-1] + abs(self.offset)
        whole = list(x.shape[:-1])
        for dim in sorted(self.dims):
            whole.insert(dim, size)
        y = np.zeros(whole, x.dtype)
        view = np.diagonal(y, self.offset, *self.dims)
        view.flags.writeable = True
        view[...] = x
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        return (np.diagonal(gy, self.offset, *self.dims),)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices, in the axes dim1 and dim2, with the last axis as a diagonal.

    Shape: (..., n) -> (..., n + |offset|, n + |offset|).

    Example:
        >>> npnet.diag_embed(npnet.tensor([[1, 2, 3]]))
        tensor([[[1, 0, 0],
                 [0, 2, 0],
                 [0, 0, 3]]])
    """
    check_tensors("diag_embed", input)
    first, second = (axis("diag_embed", d, input.ndim + 1) for d in (dim1, dim2))
    if first == second:
        raise RuntimeError(f"diag_embed: dim1 and dim2 must differ, got {dim1} and {dim2}")
    return DiagEmbed(offset, first, second)(input)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A diagonal of a matrix; or of a vector, the matrix that has it as one.

    Shape: (n, m) -> (k,); (n,) -> (n + |diagonal|, n + |diagonal|).

    Raises:
        ShapeError: there are other axes than one or two.

    Example:
        >>> npnet.diag(npnet.tensor([[1, 2], [3, 4]])), npnet.diag(npnet.tensor([1, 2]))
        (tensor([1, 4]), tensor([[1, 0],
                [0, 2]]))
    """
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim != 2:
        raise ShapeError(f"diag: input must have 1 or 2 axes, got {input.shape}")
    rows, columns = input.shape
    if not -rows <= diagonal <= columns:
        raise RuntimeError(f"diag: diagonal must lie in [{-rows}, {columns}], got {diagonal}")
    return shape.clone(views.diagonal(input, diagonal))


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix that has all values, in one row, as a diagonal.

    Example:
        >>> npnet.diagflat(npnet.tensor([1, 2]), offset=1)
        tensor([[0, 1, 0],
                [0, 0, 2],
                [0, 0, 0]])
    """
    check_tensors("diagflat", input)
    return diag_embed(views.ravel(input), offset)


class Triangle(Function):
    """The values where the mask holds, 0 elsewhere;  gx alike."""

    def __init__(self, mask: Array) -> None:
        self.mask = mask

    def forward(self, x: Array) -> Array:
        return np.where(self.mask, x, x.dtype.type(0))

    def backward(self, gy: Array) -> tuple[Array]:
        return (np.where(self.mask, gy, gy.dtype.type(0)),)


def _triangle(op: str, input: Tensor, diagonal: int, lower: bool) -> Tensor:
    if input.ndim < 2:
        raise RuntimeError(f"{op}: input must have 2 axes or more, got {input.shape}")
    rows, columns = input.shape[-2:]
    low = np.tri(rows, columns, diagonal if lower else diagonal - 1, dtype=bool)
    return Triangle(low if lower else ~low)(input)


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangles of matrices, with the diagonals up to `diagonal`; 0 above.

    Shape: (..., n, m) -> the same.

    Raises:
        RuntimeError: there are fewer than two axes.

    Example:
        >>> npnet.tril(npnet.tensor([[1, 2, 3], [4, 5, 6]]))
        tensor([[1, 0, 0],
                [4, 5, 0]])
    """
    return _triangle("tril", input, diagonal, lower=True)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangles of matrices, with the diagonals from `diagonal` on; 0 below.

    Shape: (..., n, m) -> the same.

    Raises:
        RuntimeError: there are fewer than two axes.

    Example:
        >>> npnet.triu(npnet.tensor([[1, 2, 3], [4, 5, 6]]), diagonal=1)
        tensor([[0, 2, 3],
                [0, 0, 6]])
    """
    return _triangle("triu", input, diagonal, lower=False)


def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal.

    Shape: (n, m) -> ().

    Raises:
        RuntimeError: the input is no matrix.

    Example:
        >>> npnet.trace(npnet.tensor([[1, 2], [3, 4]]))
        tensor(5)
    """
    check_tensors("trace", input)
    if input.ndim != 2:
        raise RuntimeError(f"trace: input must be a matrix, got {input.shape}")
    return reduce.sum(views.diagonal(input))


# ---- order and repetition ----------------------------------------------------------------------


class Roll(Function):
    """Values moved along axes, round the end to the start; backward moves them back."""

    def __init__(self, shifts: tuple[int, ...], dims: tuple[int, ...] | None) -> None:
        self.shifts, self.dims = shifts, dims

    def forward(self, x: Array) -> Array:
        return np.roll(x, self.shifts if self.dims else self.shifts[0], self.dims)

    def backward(self, gy: Array) -> tuple[Array]:
        back = tuple(-n for n in self.shifts)
        return (np.roll(gy, back if self.dims else back[0], self.dims),)


def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] = ()) -> Tensor:
    """Values moved by `shifts` along `dims`, or in the flattened tensor, round the end.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: there are not as many shifts as dims.
        IndexError: one of `dims` is no axis.

    Example:
        >>> npnet.roll(npnet.tensor([1, 2, 3, 4]), 1)
        tensor([4, 1, 2, 3])
        >>> npnet.roll(npnet.tensor([[1, 2], [3, 4]]), 1, dims=0)
        tensor([[3, 4],
                [1, 2]])
    """
    steps = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    axes = (dims,) if isinstance(dims, int) else tuple(dims)
    if not steps or (len(steps) != len(axes) and (axes or len(steps) > 1)):
        raise RuntimeError(f"roll: as many shifts as dims are needed, got {shifts} and {dims}")
    return Roll(steps, tuple(axis("roll", d, input.ndim) for d in axes) or None)(input)


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by k times 90 degrees in the plane of two axes, from the first to the second.

    Shape: (n, m) -> (m, n) for odd k, else kept.

    Raises:
        RuntimeError: the two axes are one.
        IndexError: one of them is no axis.

    Example:
        >>> npnet.rot90(npnet.tensor([[1, 2], [3, 4]]))
        tensor([[2, 4],
                [1, 3]])
    """
    check_tensors("rot90", input)
    if len(dims) != 2:
        raise RuntimeError(f"rot90: dims must be 2 axes, got {tuple(dims)}")
    first, second = (axis("rot90", d, input.ndim) for d in dims)
    if first == second:
        raise RuntimeError(f"rot90: dims must differ, got {tuple(dims)}")
    turns = k % 4
    if turns == 0:
        return shape.clone(input)
    if turns == 2:
        return splitting.flip(input, (first, second))
    turned = shape.transpose(input, first, second)
    return splitting.flip(turned, (first if turns == 1 else second,))


def fliplr(input: Tensor) -> Tensor:
    """The columns in reverse order: the second axis of at least two.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: there are fewer than two axes.

    Example:
        >>> npnet.fliplr(npnet.tensor([[1, 2], [3, 4]]))
        tensor([[2, 1],
                [4, 3]])
    """
    check_tensors("fliplr", input)
    if input.ndim < 2:
        raise RuntimeError(f"fliplr: input must have 2 axes or more, got {input.shape}")
    return splitting.flip(input, (1,))


def flipud(input: Tensor) -> Tensor:
    """The rows in reverse order: the first axis of at least one.

    Example:
        >>> npnet.flipud(npnet.tensor([[1, 2], [3, 4]]))
        tensor([[3, 4],
                [1, 2]])
    """
    check_tensors("flipud", input)
    if input.ndim < 1:
        raise RuntimeError(f"flipud: input must have 1 axis or more, got {input.shape}")
    return splitting.flip(input, (0,))


def tile(input: Tensor, dims: Sequence[int]) -> Tensor:
    """`repeat`, where axes that have no number are repeated once.

    Example:
        >>> npnet.tile(npnet.tensor([[1, 2]]), (2,)), npnet.tile(npnet.tensor([1, 2]), (2, 2))
        (tensor([[1, 2, 1, 2]]), tensor([[1, 2, 1, 2],
                [1, 2, 1, 2]]))
    """
    check_tensors("tile", input)
    times = (1,) * (input.ndim - len(dims)) + tuple(dims)
    return splitting.repeat(input, times)


def repeat_interleave(
    input: Tensor,
    repeats: int | Tensor | None = None,
    dim: int | None = None,
    *,
    output_size: int | None = None,
) -> Tensor:
    """Each value, or position along `dim`, repeated right after itself.

    `repeat_interleave(repeats)` alone gives position i `repeats[i]` times.

    Args:
        repeats: a number, or one for each position.
        output_size: how many there will be; checked.

    Shape: (..., n, ...) -> (..., n * repeats, ...), or their sum; of the flattened without `dim`.

    Raises:
        RuntimeError: repeats are negative, not one a position, or do not give `output_size`.

    Example:
        >>> x = npnet.tensor([1, 2])
        >>> npnet.repeat_interleave(x, 2), npnet.repeat_interleave(x, npnet.tensor([3, 1]))
        (tensor([1, 1, 2, 2]), tensor([1, 1, 1, 2]))
    """
    check_tensors("repeat_interleave", input)
    if repeats is None:
        counts = input.array
        if counts.ndim != 1 or counts.dtype.kind not in "iu":
            raise RuntimeError(f"repeat_interleave: repeats must be a vector of integers: {counts}")
        return result(np.repeat(np.arange(counts.size), counts).astype(np.int64))
    x = views.ravel(input) if dim is None or not input.ndim else input
    at = 0 if dim is None else axis("repeat_interleave", dim, max(input.ndim, 1))
    each = repeats.array if isinstance(repeats, Variable) else np.asarray(repeats)
    if each.dtype.kind not in "iu" or each.ndim > 1 or (each.size and each.min() < 0):
        raise RuntimeError(f"repeat_interleave: repeats must be integers >= 0, got {repeats}")
    if each.size not in (1, x.shape[at]):
        raise RuntimeError(
            f"repeat_interleave: {each.size} repeats for {x.shape[at]} positions along axis {at}"
        )
    places = np.repeat(np.arange(x.shape[at]), each if each.size > 1 else int(each.reshape(-1)[0]))
    if output_size is not None and places.size != output_size:
        raise RuntimeError(
            f"repeat_interleave: output_size is {output_size}, but {places.size} come out"
        )
    return splitting.index_select(x, at, result(places.astype(np.int64)))
