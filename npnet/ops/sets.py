"""Different values, and places among sorted ones: off the tape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.arrays import Array
from npnet.ops import shape
from npnet.ops.broadcasting import check_tensors
from npnet.ops.dtypes import Number, result_type
from npnet.tape import Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["bucketize", "searchsorted", "unique", "unique_consecutive"]


def _results(values: Array, inverse: Array, counts: Array, wants: tuple[bool, bool]) -> Any:
    extra = [
        result(np.asarray(a, np.int64))
        for a, wanted in zip((inverse, counts), wants, strict=True)
        if wanted
    ]
    return (result(values), *extra) if extra else result(values)


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different values, in order; with `dim`, the different slices along it.

    Args:
        sorted: whether they shall be in order; they always are here.
        return_inverse: also where each value of `input` stands among them.
        return_counts: also how often each is there.

    Shape: (...) -> (k,), or (..., k, ...) with `dim`.

    Raises:
        IndexError: `dim` is no axis.

    Example:
        >>> npnet.unique(npnet.tensor([3, 1, 3, 2]), return_counts=True)
        (tensor([1, 2, 3]), tensor([1, 1, 2]))
    """
    check_tensors("unique", input)
    at = None if dim is None else shape.axis("unique", dim, max(input.ndim, 1))
    x = np.atleast_1d(input.array) if at is not None else input.array
    # Each NaN is a value of its own, as in PyTorch.
    values, inverse, counts = np.unique(
        x, return_inverse=True, return_counts=True, axis=at, equal_nan=False
    )
    whole = inverse.reshape(input.shape if at is None else -1)
    return _results(values, whole, counts, (return_inverse, return_counts))


def unique_consecutive(
    input: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The values, or slices along `dim`, that differ from the one before. See `unique`.

    Example:
        >>> npnet.unique_consecutive(npnet.tensor([1, 1, 2, 1]))
        tensor([1, 2, 1])
    """
    check_tensors("unique_consecutive", input)
    at = 0 if dim is None else shape.axis("unique_consecutive", dim, max(input.ndim, 1))
    x = input.array.reshape(-1) if dim is None or not input.ndim else input.array
    rows = np.moveaxis(x, at, 0).reshape(x.shape[at], x.size // max(x.shape[at], 1))
    new = np.ones(len(rows), bool)
    if rows.shape[0] > 1:
        new[1:] = (rows[1:] != rows[:-1]).any(1)
    starts = np.flatnonzero(new)
    inverse, counts = np.cumsum(new) - 1, np.diff([*starts, len(rows)])
    whole = inverse.reshape(input.shape) if dim is None else inverse
    return _results(x.take(starts, at), whole, counts, (return_inverse, return_counts))


def searchsorted(
    sorted_sequence: Tensor,
    input: Tensor | Number,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where values would be put into sorted ones to keep the order, along the last axis.

    Args:
        out_int32: whether the places are int32 instead of int64.
        right, side: put after equal values ("right"), or before ("left", the default).
        sorter: the order of `sorted_sequence`, where it is not sorted itself.

    Shape: sorted_sequence (..., n), input (..., m) -> (..., m); (n,), any -> as input.

    Raises:
        RuntimeError: other axes than the last differ, or `side` is none of these.

    Example:
        >>> x, y = npnet.tensor([1, 3, 3, 5]), npnet.tensor([3, 9])
        >>> npnet.searchsorted(x, y), npnet.searchsorted(x, y, right=True)
        (tensor([1, 4]), tensor([3, 4]))
    """
    if side not in (None, "left", "right") or (right and side == "left"):
        raise RuntimeError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    known = sorted_sequence.array
    if sorter is not None:
        if sorter.shape != sorted_sequence.shape or sorter.dtype != np.int64:
            raise RuntimeError("searchsorted: sorter must be int64 in the shape of the sequence")
        if sorter.numel() and not 0 <= sorter.array.min() <= sorter.array.max() < known.shape[-1]:
            raise RuntimeError("searchsorted: sorter must lie within the sequence")
        known = np.take_along_axis(known, sorter.array, -1)
    if isinstance(input, Variable) and input.dtype != sorted_sequence.dtype:
        common = result_type(sorted_sequence, input)
        known, input = known.astype(common), result(input.array.astype(common))
    wanted = input.array if isinstance(input, Variable) else np.asarray(input)
    way: Any = "right" if right or side == "right" else "left"
    if known.ndim == 1:
        places = np.searchsorted(known, wanted, way)
    elif not known.ndim or known.shape[:-1] != wanted.shape[:-1]:
        raise RuntimeError(
            f"searchsorted: all axes but the last must be equal, got {known.shape}, {wanted.shape}"
        )
    else:
        places = np.zeros(wanted.shape, np.int64)
        for row in np.ndindex(known.shape[:-1]):
            places[row] = np.searchsorted(known[row], wanted[row], way)
    return result(np.asarray(places, np.int32 if out_int32 else np.int64))


def bucketize(
    input: Tensor | Number, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """The interval between sorted boundaries that each value lies in: `searchsorted`.

    Shape: input any, boundaries (n,) -> as input.

    Example:
        >>> x, boundaries = npnet.tensor([1, 2, 5]), npnet.tensor([2, 4])
        >>> npnet.bucketize(x, boundaries), npnet.bucketize(x, boundaries, right=True)
        (tensor([0, 0, 2]), tensor([0, 1, 2]))
    """
    if boundaries.ndim != 1:
        raise RuntimeError(f"bucketize: boundaries must be a vector, got {boundaries.shape}")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)
