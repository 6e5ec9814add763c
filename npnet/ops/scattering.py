"""Writing at places that tensors name, each op giving a new tensor: scatter, index_add, put.

Where a place is named several times, the last value stands, as on PyTorch's CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS
from npnet.base.checks import ShapeError
from npnet.ops import indexing, shape, views
from npnet.ops.broadcasting import check_tensors
from npnet.ops.dtypes import Number, Operand
from npnet.ops.shape import axis
from npnet.tape import Function, Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "argwhere",
    "index_add",
    "index_copy",
    "index_fill",
    "index_put",
    "index_reduce",
    "masked_scatter",
    "put",
    "scatter",
    "scatter_add",
    "scatter_reduce",
    "select_scatter",
    "slice_scatter",
    "take",
    "take_along_dim",
]


class WriteAt(Function):
    """x with `src` at places;  gx = 0 there, gsrc = gy where it was taken from."""

    def __init__(self, places: Any) -> None:
        self.places = places

    def forward(self, x: Array, src: Array) -> Array:
        self.src_shape = src.shape
        y = x.copy()
        y[self.places] = src
        return y

    def backward(self, gy: Array) -> tuple[Array, Array]:
        gx = gy.copy()
        gx[self.places] = 0
        return gx, shape.summed_to(gy[self.places], self.src_shape)


class AddAt(Function):
    """x with `src` added at places;  gx = gy, gsrc = gy at them."""

    def __init__(self, places: Any) -> None:
        self.places = places

    def forward(self, x: Array, src: Array) -> Array:
        self.src_shape = src.shape
        y = x.copy()
        np.add.at(y, self.places, src)
        return y

    def backward(self, gy: Array) -> tuple[Array, Array]:
        return gy, shape.summed_to(gy[self.places], self.src_shape)


class ReduceAt(Function):
    """x with what arrives at each place: its product, mean, smallest or largest.

    The gradient of a product is gy times the product of the others; of the smallest and the largest
    all that equal it share gy evenly; of a mean, gy by the count.
    """

    def __init__(self, places: Any, reduce: str, include_self: bool) -> None:
        self.places, self.reduce, self.include = places, reduce, include_self

    def forward(self, x: Array, src: Array) -> Array:
        y = x.copy()
        ufunc, start = self._ufunc(x.dtype)
        if not self.include:
            y[self.places] = start
        ufunc.at(y, self.places, src)
        if self.reduce == "mean":
            self.count = self._count(x)
            y = self._divided(y)
        self.save_for_backward(x, src, y)
        return y

    def _ufunc(self, dtype: np.dtype[Any]) -> tuple[Any, Any]:
        if self.reduce in ("sum", "mean"):
            return np.add, 0
        if self.reduce == "prod":
            return np.multiply, 1
        low: Any = -np.inf
        high: Any = np.inf
        if dtype.kind in "iu":
            low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        elif dtype == np.bool_:
            low, high = False, True
        return (np.maximum, low) if self.reduce == "amax" else (np.minimum, high)

    def _count(self, x: Array) -> Array:
        """How many values each place is the mean of; 1 where none arrived."""
        count = np.ones(x.shape, np.int64)
        if not self.include:
            count[self.places] = 0
        np.add.at(count, self.places, 1)
        return np.maximum(count, 1)

    def _divided(self, y: Array) -> Array:
        if y.dtype.kind in FLOATS:
            return y / self.count.astype(y.dtype)
        return np.floor_divide(y, self.count).astype(y.dtype)

    def backward(self, gy: Array) -> tuple[Array, Array]:
        x, src, y = self.saved
        if self.reduce in ("sum", "mean"):
            g = gy if self.reduce == "sum" else gy / self.count.astype(gy.dtype)
            return self._without(g), g[self.places]
        if self.reduce == "prod":
            return self._product(gy, x, src)
        return self._extreme(gy, x, src, y)

    def _without(self, gx: Array) -> Array:
        """gx, 0 at the places unless x itself counts."""
        if self.include:
            return gx
        gx = np.array(gx)
        gx[self.places] = 0
        return gx

    def _extreme(self, gy: Array, x: Array, src: Array, y: Array) -> tuple[Array, Array]:
        mine, theirs = np.asarray(x == y), src == y[self.places]
        count = mine.astype(np.int64) if self.include else self._untouched(x)
        np.add.at(count, self.places, theirs)
        share = np.asarray(gy / np.maximum(count, 1).astype(gy.dtype))
        gx = np.where(mine, share, gy.dtype.type(0))
        return self._without(gx), np.where(theirs, share[self.places], gy.dtype.type(0))

    def _untouched(self, x: Array) -> Array:
        count = np.ones(x.shape, np.int64)
        count[self.places] = 0
        return count

    def _product(self, gy: Array, x: Array, src: Array) -> tuple[Array, Array]:
        """By the products without zeros, and how many zeros there are."""
        own = x if self.include else np.where(self._untouched(x) == 1, x, 1).astype(x.dtype)
        zeros = np.asarray(own == 0).astype(np.int64)
        rest = np.where(own == 0, 1, own).astype(x.dtype)
        np.add.at(zeros, self.places, src == 0)
        np.multiply.at(rest, self.places, np.where(src == 0, 1, src).astype(x.dtype))

        def of_others(value: Array, zeros: Array, rest: Array) -> Array:
            others = zeros - (value == 0)
            return np.where(others > 0, 0, rest / np.where(value == 0, 1, value)).astype(gy.dtype)

        gx = self._without(gy * of_others(own, zeros, rest))
        return gx, gy[self.places] * of_others(src, zeros[self.places], rest[self.places])


# ---- scatter -----------------------------------------------------------------------------------


def _scattered(op: str, x: Tensor, dim: int, index: Tensor, src: Tensor | None) -> Any:
    """The places of `index` along one axis, for NumPy; checked."""
    at = axis(op, dim, max(x.ndim, 1))
    if index.dtype.kind != "i":
        raise RuntimeError(f"{op}: index must be integers, got {index.dtype}")
    if src is not None and src.dtype != x.dtype:
        raise RuntimeError(f"{op}: src must be of the tensor's dtype {x.dtype}, got {src.dtype}")
    if not index.numel():
        return None
    sizes, room = np.atleast_1d(index.array).shape, np.atleast_1d(x.array).shape
    given = sizes if src is None else np.atleast_1d(src.array).shape
    fits = len(sizes) == len(room) == len(given) and all(
        n <= s and (n <= r or d == at)
        for d, (n, s, r) in enumerate(zip(sizes, given, room, strict=True))
    )
    if not fits:
        raise ShapeError(
            f"{op}: index must have as many axes as input and src and be no larger, but than input "
            f"along {at}; got input {x.shape}, index {index.shape}, "
            f"src {None if src is None else src.shape}"
        )
    low, high = int(index.array.min()), int(index.array.max())
    if low < 0 or high >= room[at]:
        raise IndexError(f"{op}: index must lie in [0, {room[at] - 1}], got {low} to {high}")
    if not x.ndim:
        return ()
    places: list[Any] = list(np.ogrid[tuple(slice(n) for n in sizes)])
    places[at] = np.atleast_1d(index.array).copy()
    return tuple(places)


def _part(src: Tensor, index: Tensor, x: Tensor) -> Tensor:
    """As much of src as index names."""
    if not x.ndim or not index.ndim:
        return shape.reshape(src, () if not x.ndim else (1,))
    return src[tuple(slice(n) for n in index.shape)]


def _value(x: Tensor, value: Number) -> Tensor:
    with np.errstate(all="ignore"):  # 1e300 is infinite in float32
        return result(np.asarray(value).astype(x.dtype))


def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Operand | None = None,
    *,
    value: Number | None = None,
    reduce: str | None = None,
) -> Tensor:
    """`src`, or one value, at the places of `index` along `dim`: y[index[i][j]][j] = src[i][j].

    Args:
        reduce: "add" or "multiply" what stands there, instead of replacing it.

    Shape: as input; index has as many axes and, but for `dim`, no larger sizes; src at least those.

    Raises:
        IndexError: an index is no position along `dim`.
        ShapeError: the shapes are others than these.

    Example:
        >>> npnet.scatter(npnet.zeros(2, 3), 1, npnet.tensor([[2], [0]]), value=1.0)
        tensor([[0., 0., 1.],
                [1., 0., 0.]])
    """
    given = src if value is None else value
    if given is None or (src is not None and value is not None):
        raise TypeError("scatter: takes src or value")
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError(f"scatter: reduce must be 'add' or 'multiply', got {reduce!r}")
    tensor = given if isinstance(given, Variable) else None
    places = _scattered("scatter", input, dim, index, tensor)
    if places is None:
        return shape.clone(input)
    # (where it is no tensor it is a number, which mypy does not see)
    part = _value(input, given) if tensor is None else _part(tensor, index, input)  # type: ignore[arg-type]
    if reduce == "add":
        return AddAt(places)(input, part)
    if reduce == "multiply":
        return ReduceAt(places, "prod", include_self=True)(input, part)
    return WriteAt(places)(input, part)


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`src` added at the places of `index` along `dim`.

    Shape: as input; index has as many axes and, but for `dim`, no larger sizes; src at least those.

    Raises:
        IndexError: an index is no position along `dim`.
        ShapeError: the shapes are others than these.

    Example:
        >>> x, index = npnet.tensor([1, 1, 1]), npnet.tensor([0, 2, 0])
        >>> npnet.scatter_add(x, 0, index, npnet.tensor([10, 20, 30]))
        tensor([41,  1, 21])
    """
    check_tensors("scatter_add", input)
    places = _scattered("scatter_add", input, dim, index, src)
    return shape.clone(input) if places is None else AddAt(places)(input, _part(src, index, input))


_WAYS = ("sum", "prod", "mean", "amax", "amin")


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """What arrives at the places of `index` along `dim` made one number.

    Args:
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: whether what stands there counts too.

    Shape: as of `scatter`.

    Raises:
        IndexError: an index is no position along `dim`.
        RuntimeError: `reduce` is none of these.

    Example:
        >>> x, index, src = npnet.tensor([1, 5]), npnet.tensor([0, 0, 1]), npnet.tensor([3, 2, 4])
        >>> x.scatter_reduce(0, index, src, "sum"), x.scatter_reduce(0, index, src, "amax")
        (tensor([6, 9]), tensor([3, 5]))
    """
    if reduce not in _WAYS:
        raise RuntimeError(f"scatter_reduce: reduce must be one of {_WAYS}, got {reduce!r}")
    places = _scattered("scatter_reduce", input, dim, index, src)
    if places is None:
        return shape.clone(input)
    return ReduceAt(places, reduce, include_self)(input, _part(src, index, input))


# ---- index_* -----------------------------------------------------------------------------------


def _along(op: str, x: Tensor, dim: int, index: Tensor, src: Tensor | None) -> tuple[Any, ...]:
    """The positions of a vector along one axis, for NumPy; checked."""
    at = axis(op, dim, max(x.ndim, 1))
    if index.dtype.kind != "i" or index.ndim > 1:
        raise RuntimeError(f"{op}: index must be integers of one axis, got {index.shape}")
    size = x.shape[at] if x.ndim else 1
    places = index.array.reshape(-1)
    if places.size and not -size <= places.min() <= places.max() < size:
        raise IndexError(f"{op}: index must lie in [0, {size - 1}], got {places.tolist()}")
    if src is not None:
        if src.dtype != x.dtype:
            raise RuntimeError(f"{op}: source must be {x.dtype}, got {src.dtype}")
        wanted = (*x.shape[:at], places.size, *x.shape[at + 1 :]) if x.ndim else ()
        if x.ndim and src.ndim and src.shape != wanted:
            raise ShapeError(f"{op}: source must have shape {wanted}, got {src.shape}")
    return (*(slice(None),) * at, places.copy()) if x.ndim else (...,)


def _fitted(src: Tensor, x: Tensor) -> Tensor:
    return shape.reshape(src, ()) if not x.ndim else src


def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Number = 1
) -> Tensor:
    """`alpha * source` added to the positions along `dim` that `index` names.

    Shape: index (k,), source as input, but k along `dim` -> as input.

    Raises:
        IndexError: an index is no position along `dim`.
        ShapeError: the source has another shape.

    Example:
        >>> x, index = npnet.tensor([1, 1, 1]), npnet.tensor([0, 2, 0])
        >>> npnet.index_add(x, 0, index, npnet.tensor([10, 20, 30]))
        tensor([41,  1, 21])
    """
    places = _along("index_add", input, dim, index, source)
    if isinstance(alpha, float) and not input.is_floating_point():
        raise RuntimeError(f"index_add: alpha must be whole for {input.dtype}, got {alpha}")
    scaled = source if alpha == 1 else shape.cast(source * alpha, input.dtype)
    return AddAt(places)(input, _fitted(scaled, input))


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """`source` at the positions along `dim` that `index` names.

    Shape: index (k,), source as input, but k along `dim` -> as input.

    Raises:
        IndexError: an index is no position along `dim`.
        ShapeError: the source has another shape.

    Example:
        >>> source = npnet.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> npnet.index_copy(npnet.zeros(3, 2), 0, npnet.tensor([2, 0]), source)
        tensor([[3., 4.],
                [0., 0.],
                [1., 2.]])
    """
    places = _along("index_copy", input, dim, index, source)
    return WriteAt(places)(input, _fitted(source, input))


def index_fill(input: Tensor, dim: int, index: Tensor, value: Operand) -> Tensor:
    """One value at the positions along `dim` that `index` names.

    Shape: index (k,) -> as input.

    Raises:
        IndexError: an index is no position along `dim`.

    Example:
        >>> npnet.index_fill(npnet.tensor([[1, 2, 3], [4, 5, 6]]), 1, npnet.tensor([0, 2]), 9)
        tensor([[9, 2, 9],
                [9, 5, 9]])
    """
    check_tensors("index_fill", input)
    places = _along("index_fill", input, dim, index, None)
    if isinstance(value, Variable) and value.ndim:
        raise RuntimeError(f"index_fill: value must be one number, got {value.shape}")
    one = value if isinstance(value, Variable) else _value(input, value)
    if input.ndim:  # each once: so the gradient of the value counts each place once
        places = (*places[:-1], np.unique(places[-1] % input.shape[len(places) - 1]))
    return WriteAt(places)(input, shape.cast(one, input.dtype))


def index_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
) -> Tensor:
    """`scatter_reduce` of whole positions along `dim`; reduce: "prod", "mean", "amax", "amin".

    Example:
        >>> x, index, src = npnet.tensor([1, 5]), npnet.tensor([0, 0, 1]), npnet.tensor([3, 2, 4])
        >>> npnet.index_reduce(x, 0, index, src, "amax")
        tensor([3, 5])
    """
    if reduce not in _WAYS[1:]:
        raise RuntimeError(f"index_reduce: reduce must be one of {_WAYS[1:]}: {reduce!r}")
    places = _along("index_reduce", input, dim, index, source)
    return ReduceAt(places, reduce, include_self)(input, _fitted(source, input))


def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """`values` at `input[indices]`, a tuple of index tensors or masks.

    Args:
        accumulate: add to what stands there; of one place named several times, all count.

    Example:
        >>> x, places = npnet.tensor([0, 0, 0]), (npnet.tensor([0, 0, 2]),)
        >>> npnet.index_put(x, places, npnet.tensor([1, 2, 3]), accumulate=True)
        tensor([3, 0, 3])
    """
    check_tensors("index_put", input)
    if values.dtype != input.dtype:
        raise RuntimeError(f"index_put: values must be {input.dtype}, got {values.dtype}")
    index = tuple(indices)
    if not accumulate:
        return indexing.set_item(input, index, values)
    places = tuple(i.array.copy() if isinstance(i, Variable) else i for i in index)
    return AddAt(places)(input, values)


# ---- by mask and in flat order -----------------------------------------------------------------


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """The values of `source`, in order, where the mask holds.

    Shape: input and mask (...), broadcast -> (...).

    Raises:
        RuntimeError: `source` has too few values.

    Example:
        >>> mask = npnet.tensor([True, False, True])
        >>> npnet.masked_scatter(npnet.tensor([1, 2, 3]), mask, npnet.tensor([10, 20]))
        tensor([10,  2, 20])
    """
    if mask.dtype != np.bool_:
        raise RuntimeError(f"masked_scatter: mask must be bool, got {mask.dtype}")
    if source.dtype != input.dtype:
        raise RuntimeError(f"masked_scatter: source must be {input.dtype}, got {source.dtype}")
    size = shape.broadcast_shapes("masked_scatter", input.shape, mask.shape)
    held = np.broadcast_to(mask.array, size).copy()
    count = int(held.sum())
    if source.numel() < count:
        raise RuntimeError(f"masked_scatter: needs {count} values, source has {source.numel()}")
    return WriteAt(held)(shape.expand(input, size), views.ravel(source)[:count])


def _flat(op: str, index: Tensor, count: int) -> Array:
    if index.dtype.kind != "i":
        raise RuntimeError(f"{op}: index must be int64, got {index.dtype}")
    places = index.array
    if places.size and not -count <= places.min() <= places.max() < count:
        raise IndexError(f"{op}: index must lie in [{-count}, {count - 1}]")
    return places.copy()


def take(input: Tensor, index: Tensor) -> Tensor:
    """The values of the flattened tensor at places, in the shape of `index`.

    Shape: any, index (...) -> (...).

    Raises:
        IndexError: an index is no place.
        RuntimeError: the index is not int64.

    Example:
        >>> npnet.take(npnet.tensor([[1, 2], [3, 4]]), npnet.tensor([3, 0]))
        tensor([4, 1])
    """
    check_tensors("take", input)
    return indexing.Pick((_flat("take", index, input.numel()),))(views.ravel(input))


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """`source` at places of the flattened tensor; with `accumulate`, added there.

    Shape: index and source of as many values -> as input.

    Raises:
        IndexError: an index is no place.
        RuntimeError: `source` has another number of values.

    Example:
        >>> npnet.put(npnet.tensor([[1, 2], [3, 4]]), npnet.tensor([0, 3]), npnet.tensor([10, 40]))
        tensor([[10,  2],
                [ 3, 40]])
    """
    check_tensors("put", input)
    if source.dtype != input.dtype or source.numel() != index.numel():
        raise RuntimeError(
            f"put: source must be {input.dtype} with {index.numel()} values, got {source.dtype} "
            f"with {source.numel()}"
        )
    places = _flat("put", index, input.numel()).reshape(-1)
    function = AddAt((places,)) if accumulate else WriteAt((places,))
    return shape.reshape(function(views.ravel(input), views.ravel(source)), input.shape)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` with broadcasting; without `dim`, of the flattened tensor.

    Example:
        >>> x = npnet.tensor([[3, 1, 2]])
        >>> npnet.take_along_dim(x, x.argsort(dim=1), dim=1)
        tensor([[1, 2, 3]])
    """
    if indices.dtype != np.int64:
        raise RuntimeError(f"take_along_dim: indices must be int64, got {indices.dtype}")
    if dim is None:
        return indexing.gather(views.ravel(input), 0, views.ravel(indices))
    at = axis("take_along_dim", dim, input.ndim)
    if input.ndim != indices.ndim:
        raise RuntimeError(
            f"take_along_dim: as many axes are needed, got {input.shape}, {indices.shape}"
        )
    others = [[n for i, n in enumerate(x.shape) if i != at] for x in (input, indices)]
    size = list(shape.broadcast_shapes("take_along_dim", *map(tuple, others)))
    x = shape.expand(input, (*size[:at], input.shape[at], *size[at:]))
    if indices.numel() and indices.array.min() < 0:
        indices = result(np.where(indices.array < 0, indices.array + x.shape[at], indices.array))
    return indexing.gather(
        x, at, shape.expand(indices, (*size[:at], indices.shape[at], *size[at:]))
    )


def argwhere(input: Tensor) -> Tensor:
    """Where the values are not 0: a row of indices for each, int64.

    Example:
        >>> npnet.argwhere(npnet.tensor([[0, 1], [1, 0]]))
        tensor([[0, 1],
                [1, 0]])
    """
    check_tensors("argwhere", input)
    places = np.argwhere(np.atleast_1d(input.array)).astype(np.int64)
    return result(places if input.ndim else places[:, :0])


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """`input` with `src` at one position along `dim`.

    Shape: src as input without `dim` -> as input.

    Raises:
        ShapeError: `src` has another shape.
        IndexError: `index` is no position.

    Example:
        >>> npnet.select_scatter(npnet.zeros(2, 3), npnet.tensor([1.0, 2.0]), 1, 0)
        tensor([[1., 0., 0.],
                [2., 0., 0.]])
    """
    check_tensors("select_scatter", input)
    at = axis("select_scatter", dim, input.ndim)
    if not -input.shape[at] <= index < input.shape[at]:
        raise IndexError(f"select_scatter: index {index} is out of range for {input.shape[at]}")
    place: tuple[Any, ...] = (*(slice(None),) * at, index)
    if src.shape != input.array[place].shape:
        raise ShapeError(f"select_scatter: src must be {input.array[place].shape}, got {src.shape}")
    return WriteAt(place)(input, shape.cast(src, input.dtype))


def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """`input` with `src` at a slice along `dim`.

    Shape: src as the slice -> as input.

    Raises:
        ShapeError: `src` has another shape.

    Example:
        >>> npnet.slice_scatter(npnet.zeros(4), npnet.tensor([1.0, 2.0]), start=0, end=4, step=2)
        tensor([1., 0., 2., 0.])
    """
    check_tensors("slice_scatter", input)
    place = (*(slice(None),) * axis("slice_scatter", dim, input.ndim), slice(start, end, step))
    if src.shape != input.array[place].shape:
        raise ShapeError(f"slice_scatter: src must be {input.array[place].shape}, got {src.shape}")
    return WriteAt(place)(input, shape.cast(src, input.dtype))
