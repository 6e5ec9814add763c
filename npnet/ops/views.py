"""Views beside those of `shape`: parts, diagonals, windows, axes moved and made of others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.base.storage import memory_of
from npnet.ops import shape, splitting
from npnet.ops.broadcasting import check_tensors
from npnet.ops.shape import axis
from npnet.tape import Function, Variable

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "as_strided",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_tensors",
    "broadcast_to",
    "diagonal",
    "dsplit",
    "hsplit",
    "movedim",
    "narrow",
    "offset",
    "ravel",
    "reinterpreted",
    "select",
    "swapaxes",
    "tensor_split",
    "unflatten",
    "unfold",
    "vsplit",
]


def reinterpreted(input: Tensor, dtype: np.dtype[Any]) -> Tensor:
    """`view(dtype)`: the same bytes as numbers of another dtype, off the tape."""
    y = input.detach()
    old, new = input.dtype.itemsize, dtype.itemsize
    try:
        if old != new and (not input.ndim or input.array.strides[-1] != old):
            raise ValueError("where their sizes differ, the last axis must lie in one piece")
        if new > old and any(n % new for n in input.array.strides[:-1]):
            raise ValueError("the strides must be whole in numbers of the new dtype")
        y._values = input.array.view(dtype)
    except ValueError as error:
        raise RuntimeError(f"view: {input.dtype} {input.shape} as {dtype}: {error}") from None
    return y


def _number(value: Any) -> int:
    """An integer, of Python's or as a tensor of one value."""
    return int(value.array.item()) if isinstance(value, Variable) else int(value)


def narrow(input: Tensor, dim: int, start: int | Tensor, length: int) -> Tensor:
    """The view of `length` positions along `dim` from `start` on.

    Shape: (..., n, ...) -> (..., length, ...).

    Raises:
        RuntimeError: they reach beyond the end.
        IndexError: `start` is no position, or `dim` no axis.

    Example:
        >>> npnet.narrow(npnet.tensor([[1, 2, 3], [4, 5, 6]]), 1, 1, 2)
        tensor([[2, 3],
                [5, 6]])
    """
    check_tensors("narrow", input)
    at = axis("narrow", dim, input.ndim)
    if isinstance(start, Variable) and (start.ndim or start.dtype.kind not in "iu"):
        raise RuntimeError(f"narrow: start must be one integer, got {start.dtype} {start.shape}")
    size, first = input.shape[at], _number(start)
    if not -size <= first <= size:
        raise IndexError(f"narrow: start must lie in [{-size}, {size}], got {first}")
    first += size if first < 0 else 0
    if length < 0 or first + length > size:
        raise RuntimeError(f"narrow: {length} from {first} on do not fit into size {size}")
    return input[(*(slice(None),) * at, slice(first, first + length))]


def select(input: Tensor, dim: int, index: int | Tensor) -> Tensor:
    """The view at one position along `dim`, without that axis.

    Shape: (..., n, ...) -> (..., ...).

    Raises:
        IndexError: `index` is no position, or `dim` no axis.

    Example:
        >>> npnet.select(npnet.tensor([[1, 2], [3, 4]]), 1, 0)
        tensor([1, 3])
    """
    check_tensors("select", input)
    if not input.ndim:
        raise IndexError("select: a tensor without axes has no positions")
    at, place = axis("select", dim, input.ndim), _number(index)
    if not -input.shape[at] <= place < input.shape[at]:
        raise IndexError(f"select: index {place} is out of range for size {input.shape[at]}")
    return input[(*(slice(None),) * at, place)]


class Diagonal(Function):
    """A diagonal of two axes as the last axis;  gx is gy there, 0 elsewhere."""

    view = True

    def __init__(self, offset: int, dim1: int, dim2: int) -> None:
        self.offset, self.dims = offset, (dim1, dim2)

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        return self._of(x)

    def _of(self, x: Array) -> Array:
        y = np.diagonal(x, self.offset, *self.dims)
        y.flags.writeable = x.flags.writeable  # NumPy makes it read-only
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        gx = np.zeros(self.x_shape, gy.dtype)
        self._of(gx)[...] = gy
        return (gx,)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The view of a diagonal of two axes, which it has as its last axis.

    Args:
        offset: above the main diagonal; negative below.

    Shape: (n, m) -> (k,); other axes stand before it.

    Raises:
        RuntimeError: dim1 and dim2 are one axis.
        IndexError: one of them is no axis.

    Example:
        >>> x = npnet.arange(9).reshape(3, 3)
        >>> npnet.diagonal(x), npnet.diagonal(x, offset=-1)
        (tensor([0, 4, 8]), tensor([3, 7]))
    """
    check_tensors("diagonal", input)
    first, second = (axis("diagonal", d, input.ndim) for d in (dim1, dim2))
    if first == second:
        raise RuntimeError(f"diagonal: dim1 and dim2 must differ, got {dim1} and {dim2}")
    return Diagonal(offset, first, second)(input)


class Windows(Function):
    """Windows along an axis, the places within one as the last axis;  gx adds gy up."""

    view = True

    def __init__(self, dim: int, size: int, step: int) -> None:
        self.dim, self.size, self.step = dim, size, step

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        return self._of(x)

    def _of(self, x: Array) -> Array:
        windows = np.lib.stride_tricks.sliding_window_view(
            x, self.size, self.dim, writeable=x.flags.writeable
        )
        return windows[(*(slice(None),) * self.dim, slice(None, None, self.step))]

    def backward(self, gy: Array) -> tuple[Array]:
        gx = np.zeros(self.x_shape, gy.dtype)
        windows = self._of(gx)
        for i in range(self.size):  # of one place in all windows, no two lie on each other
            windows[..., i] += gy[..., i]
        return (gx,)


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of `size` along an axis, `step` apart, as a view; places in them come last."""
    at = axis("unfold", dimension, max(input.ndim, 1))
    length = input.shape[at] if input.ndim else 1
    if not 0 <= size <= length or step <= 0:
        raise RuntimeError(
            f"unfold: size must lie in [0, {length}] and step be > 0, got {size} and {step}"
        )
    if not input.ndim:
        return shape.reshape(input, (1,))[:size]
    return Windows(at, size, step)(input)


class AsStrided(Function):
    """Values at given steps in memory;  gx adds gy up where they came from."""

    view = True

    def __init__(self, size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> None:
        self.size, self.stride, self.offset = size, stride, offset

    def forward(self, x: Array) -> Array:
        flat = memory_of(x).reshape(-1)
        first = x.__array_interface__["data"][0] - flat.__array_interface__["data"][0]
        self.x_shape, self.before = x.shape, first // x.itemsize
        self.x_stride = tuple(n // x.itemsize for n in x.strides)
        last = sum((n - 1) * s for n, s in zip(self.size, self.stride, strict=True)) + self.offset
        if math.prod(self.size) and not 0 <= last < flat.size:
            raise RuntimeError(
                f"as_strided: size {self.size}, stride {self.stride} and offset {self.offset} "
                f"leave the memory of {flat.size} values"
            )
        steps = tuple(n * x.itemsize for n in self.stride)
        return np.lib.stride_tricks.as_strided(
            flat[self.offset :], self.size, steps, writeable=x.flags.writeable
        )

    def backward(self, gy: Array) -> tuple[Array]:
        spots = _spots(self.size, self.stride, self.offset)
        count = max(int(spots.max(initial=0)), self._last()) + 1
        memory = np.zeros(count, gy.dtype)
        np.add.at(memory, spots, gy)
        return (memory[_spots(self.x_shape, self.x_stride, self.before)],)

    def _last(self) -> int:
        return int(_spots(self.x_shape, self.x_stride, self.before).max(initial=0))


def _spots(size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> Array:
    """Where in memory each value of such a view lies."""
    steps = np.ogrid[tuple(slice(n) for n in size)]
    total = sum((a * s for a, s in zip(steps, stride, strict=True)), np.zeros((), np.int64))
    return np.asarray(np.broadcast_to(total + offset, size), np.int64)


def as_strided(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """A view of the memory at given steps, from `storage_offset` on; default the tensor's own.

    Example:
        >>> npnet.as_strided(npnet.arange(5), (3, 3), (1, 1))  # windows that overlap
        tensor([[0, 1, 2],
                [1, 2, 3],
                [2, 3, 4]])
    """
    if len(size) != len(stride):
        raise RuntimeError(f"as_strided: as many strides as sizes: {tuple(size)}, {tuple(stride)}")
    if min([*size, *stride, storage_offset or 0], default=0) < 0:
        raise RuntimeError("as_strided: sizes, strides and offset must be >= 0")
    if storage_offset is None:
        storage_offset = offset(input.array)
    return AsStrided(tuple(size), tuple(stride), storage_offset)(input)


def offset(x: Array) -> int:
    """How many values before it its memory begins."""
    first = x.__array_interface__["data"][0] - memory_of(x).__array_interface__["data"][0]
    return int(first // x.itemsize)


# ---- axes --------------------------------------------------------------------------------------


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Axes moved to other places; the rest keep their order.

    Raises:
        RuntimeError: source and destination do not name as many axes, each once.
        IndexError: one of them is no axis.

    Example:
        >>> npnet.movedim(npnet.zeros(2, 3, 4), 0, -1).shape
        (3, 4, 2)
    """
    check_tensors("movedim", input)
    pairs = [(d,) if isinstance(d, int) else tuple(d) for d in (source, destination)]
    old, new = ([axis("movedim", d, input.ndim) for d in dims] for dims in pairs)
    if len(old) != len(new) or len(set(old)) < len(old) or len(set(new)) < len(new):
        raise RuntimeError(
            f"movedim: source and destination must name as many axes, each once; got {source} "
            f"and {destination}"
        )
    order = [d for d in range(input.ndim) if d not in old]
    for place, d in sorted(zip(new, old, strict=True)):
        order.insert(place, d)
    return shape.permute(input, order)


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """Two axes exchanged: `transpose`.

    Example:
        >>> npnet.swapaxes(npnet.zeros(2, 3, 4), 0, 2).shape
        (4, 3, 2)
    """
    check_tensors("swapaxes", input)
    return shape.transpose(input, axis0, axis1)


def ravel(input: Tensor) -> Tensor:
    """All values in one axis.

    Example:
        >>> npnet.ravel(npnet.tensor([[1, 2], [3, 4]]))
        tensor([1, 2, 3, 4])
    """
    check_tensors("ravel", input)
    return shape.reshape(input, (-1,))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One axis made several, of `sizes`, one of which may be -1.

    Shape: (..., n, ...) -> (..., *sizes, ...).

    Raises:
        ShapeError: the sizes do not multiply to n.

    Example:
        >>> npnet.unflatten(npnet.zeros(2, 6), 1, (3, -1)).shape
        (2, 3, 2)
    """
    check_tensors("unflatten", input)
    at = axis("unflatten", dim, input.ndim)
    if not len(sizes):
        raise RuntimeError("unflatten: sizes must not be empty")
    known = math.prod(n for n in sizes if n != -1)
    whole = [input.shape[at] // known if n == -1 and known else n for n in sizes]
    if math.prod(whole) != input.shape[at] or list(sizes).count(-1) > 1:
        raise ShapeError(
            f"unflatten: sizes {tuple(sizes)} do not multiply to {input.shape[at]}, the size of "
            f"axis {dim}"
        )
    return shape.reshape(input, (*input.shape[:at], *whole, *input.shape[at + 1 :]))


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """`expand`.

    Shape: (...) -> size.

    Raises:
        ShapeError: the shape does not broadcast to it.

    Example:
        >>> npnet.broadcast_to(npnet.tensor([1, 2]), (2, 2))
        tensor([[1, 2],
                [1, 2]])
    """
    check_tensors("broadcast_to", input)
    return shape.expand(input, size)


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """All expanded to their common shape.

    Example:
        >>> x, y = npnet.broadcast_tensors(npnet.tensor([1, 2]), npnet.tensor([[3], [4]]))
        >>> x, y
        (tensor([[1, 2],
                [1, 2]]), tensor([[3, 3],
                [4, 4]]))
    """
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    size = shape.broadcast_shapes("broadcast_tensors", *(x.shape for x in tensors))
    return tuple(shape.expand(x, size) for x in tensors)


def _at_least(count: int, tensors: tuple[Any, ...]) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        return tuple(_at_least(count, (x,)) for x in tensors[0])
    if len(tensors) > 1:
        return tuple(_at_least(count, (x,)) for x in tensors)
    (x,) = tensors
    if count > 2 and x.ndim < 3:
        x = _at_least(2, (x,))
        return shape.unsqueeze(x, -1)
    while x.ndim < count:
        x = shape.unsqueeze(x, 0)
    return x


def atleast_1d(*tensors: Any) -> Any:
    """Tensors without axes with one; of one tensor, a tensor.

    Example:
        >>> npnet.atleast_1d(npnet.tensor(5))
        tensor([5])
    """
    return _at_least(1, tensors)


def atleast_2d(*tensors: Any) -> Any:
    """New axes in front up to two; of one tensor, a tensor.

    Example:
        >>> npnet.atleast_2d(npnet.tensor([1, 2]))
        tensor([[1, 2]])
    """
    return _at_least(2, tensors)


def atleast_3d(*tensors: Any) -> Any:
    """New axes, in front up to two and the third at the end; of one tensor, a tensor.

    Example:
        >>> npnet.atleast_3d(npnet.tensor([1, 2])).shape, npnet.atleast_3d(npnet.zeros(2, 3)).shape
        ((1, 2, 1), (2, 3, 1))
    """
    return _at_least(3, tensors)


# ---- taken apart -------------------------------------------------------------------------------


def tensor_split(
    input: Tensor, indices_or_sections: int | Sequence[int] | Tensor, dim: int = 0
) -> tuple[Tensor, ...]:
    """Views along `dim`: of nearly equal sizes, the first ones larger; or between positions.

    Shape: (..., n, ...) -> each (..., size, ...).

    Raises:
        RuntimeError: there are fewer than 1 sections.

    Example:
        >>> npnet.tensor_split(npnet.arange(5), 2), npnet.tensor_split(npnet.arange(5), (1, 3))
        ((tensor([0, 1, 2]), tensor([3, 4])), (tensor([0]), tensor([1, 2]), tensor([3, 4])))
    """
    check_tensors("tensor_split", input)
    if not input.ndim:
        raise RuntimeError("tensor_split: a tensor without axes can't be split")
    at = axis("tensor_split", dim, input.ndim)
    total, parts = input.shape[at], indices_or_sections
    if isinstance(parts, Variable):
        if parts.dtype != np.int64 or parts.ndim > 1:
            raise RuntimeError(f"tensor_split: takes int64 of at most 1 axis, got {parts.dtype}")
        parts = parts.tolist()
    if isinstance(parts, int):
        if parts <= 0:
            raise RuntimeError(f"tensor_split: sections must be > 0, got {parts}")
        sizes = [total // parts + (i < total % parts) for i in range(parts)]
        return splitting.split(input, sizes, at)
    ends = [slice(total)] if not parts else [slice(a, b) for a, b in _between(list(parts))]
    return tuple(input[(*(slice(None),) * at, part)] for part in ends)


def _between(places: list[int]) -> list[tuple[int | None, int | None]]:
    return list(zip([None, *places], [*places, None], strict=True))


def _split_along(op: str, input: Tensor, parts: Any, dim: int, least: int) -> tuple[Tensor, ...]:
    if input.ndim < least:
        raise RuntimeError(f"{op}: input must have {least} axes or more, got {input.shape}")
    if isinstance(parts, int) and (parts <= 0 or input.shape[dim] % parts):
        raise RuntimeError(f"{op}: {input.shape[dim]} can't be split into {parts} equal parts")
    return tensor_split(input, parts, dim)


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Split along the second axis, or the only one.

    Example:
        >>> npnet.hsplit(npnet.tensor([[1, 2, 3], [4, 5, 6]]), [1])
        (tensor([[1],
                [4]]), tensor([[2, 3],
                [5, 6]]))
    """
    check_tensors("hsplit", input)
    return _split_along("hsplit", input, indices_or_sections, 0 if input.ndim == 1 else 1, 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Split along the first axis of at least two.

    Example:
        >>> npnet.vsplit(npnet.tensor([[1, 2], [3, 4], [5, 6]]), [1])
        (tensor([[1, 2]]), tensor([[3, 4],
                [5, 6]]))
    """
    check_tensors("vsplit", input)
    return _split_along("vsplit", input, indices_or_sections, 0, 2)


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Split along the third axis.

    Example:
        >>> [part.shape for part in npnet.dsplit(npnet.zeros(1, 2, 5), [2])]
        [(1, 2, 2), (1, 2, 3)]
    """
    check_tensors("dsplit", input)
    return _split_along("dsplit", input, indices_or_sections, 2, 3)
