"""Tensors taken apart and repeated, made of the ops in `shape`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS
from npnet.base.checks import ShapeError
from npnet.ops import choices, shape
from npnet.ops.broadcasting import check_tensors
from npnet.ops.dtypes import Number, result_type
from npnet.ops.shape import axis
from npnet.tape import Function, Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "chunk",
    "flip",
    "index_select",
    "masked_fill",
    "nonzero",
    "repeat",
    "split",
    "unbind",
]


def split(
    tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """Views of equal size along `dim`, the last one perhaps smaller; or of the given sizes.

    Shape: (..., n, ...) -> each (..., size, ...).

    Raises:
        ShapeError: the sizes do not add up to n.
        RuntimeError: the size is less than 1.
        IndexError: `dim` is no axis.

    Example:
        >>> npnet.split(npnet.arange(5), 2), npnet.split(npnet.arange(5), [1, 4])
        ((tensor([0, 1]), tensor([2, 3]), tensor([4])), (tensor([0]), tensor([1, 2, 3, 4])))
    """
    check_tensors("split", tensor)
    at = axis("split", dim, tensor.ndim)
    total = tensor.shape[at]
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size < 0 or (size == 0 and total):
            raise RuntimeError(f"split: the size must be >= 1, got {size}")
        count = max(-(-total // size), 1) if size else 1
        sizes = [min(size, total - i * size) for i in range(count)]
    else:
        sizes = list(split_size_or_sections)
        if sum(sizes) != total or min(sizes, default=0) < 0:
            raise ShapeError(
                f"split: sizes {sizes} do not add up to {total}, the size of axis {at}"
            )
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    before = (slice(None),) * at
    return tuple(
        tensor[(*before, slice(end - size, end))] for size, end in zip(sizes, ends, strict=True)
    )


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` views of equal size along `dim`, the last one perhaps smaller.

    Shape: (..., n, ...) -> each (..., ceil(n / chunks), ...), but the last.

    Raises:
        RuntimeError: `chunks` is less than 1.
        IndexError: `dim` is no axis.

    Example:
        >>> npnet.chunk(npnet.arange(5), 3)
        (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    check_tensors("chunk", input)
    if chunks < 1:
        raise RuntimeError(f"chunk: chunks must be >= 1, got {chunks}")
    total = input.shape[axis("chunk", dim, input.ndim)]
    if not total:
        return split(input, [0] * chunks, dim)
    return split(input, -(-total // chunks), dim)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The views at each position along `dim`, without that axis.

    Shape: (..., n, ...) -> n times (..., ...).

    Raises:
        IndexError: `dim` is no axis.

    Example:
        >>> npnet.unbind(npnet.tensor([[1, 2], [3, 4]]), dim=1)
        (tensor([1, 3]), tensor([2, 4]))
    """
    check_tensors("unbind", input)
    before = (slice(None),) * axis("unbind", dim, input.ndim)
    return tuple(input[(*before, i)] for i in range(input.shape[dim]))


def repeat(input: Tensor, repeats: Sequence[int]) -> Tensor:
    """The tensor laid `repeats` times along each axis; new axes come in front."""
    new = len(repeats) - input.ndim
    if new < 0:
        raise ShapeError(
            f"repeat: needs a number for each of {input.ndim} axes, got {tuple(repeats)}"
        )
    size = (*(1,) * new, *input.shape)
    pairs = [n for r, s in zip(repeats, size, strict=True) for n in (r, s)]
    apart = shape.reshape(input, [n for s in size for n in (1, s)])
    return shape.reshape(
        shape.expand(apart, pairs), [r * s for r, s in zip(repeats, size, strict=True)]
    )


class Flip(Function):
    """The order along axes reversed; backward reverses it again."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        self.dims = dims

    def forward(self, x: Array) -> Array:
        return np.flip(x, self.dims).copy()

    def backward(self, gy: Array) -> tuple[Array]:
        return (np.flip(gy, self.dims),)


def flip(input: Tensor, dims: int | Sequence[int]) -> Tensor:
    """A copy with the order along `dims` reversed.

    Shape: (...) -> the same.

    Raises:
        IndexError: one of `dims` is no axis.

    Example:
        >>> npnet.flip(npnet.tensor([[1, 2], [3, 4]]), (0,))
        tensor([[3, 4],
                [1, 2]])
    """
    check_tensors("flip", input)
    axes = [
        axis("flip", d, max(input.ndim, 1)) for d in ([dims] if isinstance(dims, int) else dims)
    ]
    if len(set(axes)) < len(axes):
        raise RuntimeError(f"flip: dims names an axis twice: {dims}")
    return Flip(tuple(axes) if input.ndim else ())(input)


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The positions along `dim` that `index`, of one axis, names.

    Shape: (..., n, ...), index (k,) -> (..., k, ...).

    Raises:
        IndexError: an index is no position, or `dim` no axis.
        ShapeError: the index has other axes than one.

    Example:
        >>> npnet.index_select(npnet.tensor([[1, 2, 3], [4, 5, 6]]), 1, npnet.tensor([2, 0, 0]))
        tensor([[3, 1, 1],
                [6, 4, 4]])
    """
    if index.ndim > 1:
        raise ShapeError(f"index_select: index must have 1 axis, got {index.shape}")
    if index.dtype.kind != "i":
        raise RuntimeError(f"index_select: index must be integers, got {index.dtype}")
    at = axis("index_select", dim, max(input.ndim, 1))
    size = input.shape[at] if input.ndim else 1
    places = index.array
    if places.size and not 0 <= places.min() <= places.max() < size:
        raise IndexError(f"index_select: index must lie in [0, {size - 1}]")
    if not input.ndim:
        return shape.clone(input)
    return input[(*(slice(None),) * at, shape.reshape(index, (-1,)))]


def masked_fill(input: Tensor, mask: Tensor, value: Number | Tensor) -> Tensor:
    """`value` where the mask holds, `input` elsewhere; the mask is broadcast.

    Shape: input and mask (...), broadcast -> (...).

    Raises:
        RuntimeError: the mask is not bool.
        ShapeError: the mask does not broadcast, or `value` is several.

    Example:
        >>> x = npnet.tensor([[1, 2], [3, 4]])
        >>> npnet.masked_fill(x, x > 2, 0)
        tensor([[1, 2],
                [0, 0]])
    """
    if isinstance(value, Variable) and value.ndim:
        raise ShapeError(f"masked_fill: value must be one number, got {value.shape}")
    if mask.dtype not in (np.bool_, np.uint8):
        raise RuntimeError(f"masked_fill: mask must be bool, got {mask.dtype}")
    if input.dtype.kind in "iub" and result_type(value).kind in FLOATS:
        raise RuntimeError(f"masked_fill: {value} is no value of {input.dtype}")
    if not isinstance(value, Variable):
        with np.errstate(all="ignore"):  # 1e300 is infinite in float32
            value = result(np.asarray(value).astype(input.dtype))
    return choices.where(mask, shape.cast(value, input.dtype), input)


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Tensor | tuple[Tensor, ...]:
    """Where the values are not 0, int64: a row of indices for each; or a tensor for each axis.

    Shape: (...) -> (k, number of axes), or a (k,) for each axis.

    Example:
        >>> x = npnet.tensor([[0, 7], [8, 0]])
        >>> npnet.nonzero(x), x[npnet.nonzero(x, as_tuple=True)]
        (tensor([[0, 1],
                [1, 0]]), tensor([7, 8]))
    """
    places = tuple(result(np.asarray(i, np.int64)) for i in np.atleast_1d(input.array).nonzero())
    if as_tuple:
        return places
    return shape.stack(places, 1) if input.ndim else result(np.empty((places[0].shape[0], 0), int))
