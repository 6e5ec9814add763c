"""Rows of a table by their numbers, reduced bag by bag."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import not_tensors
from npnet.ops import _sums
from npnet.ops.dtypes import check_dtypes
from npnet.ops.embedding import limit_rows
from npnet.tape import Function, Variable

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["embedding_bag"]


class SumBag(Function):
    """y_b = the sum of a_i * c_b * weight_{k_i} over the i of bag b.

        gweight_k = the sum of a_i * c_b * gy_b where k_i = k;    ga_i = c_b * gy_b . weight_{k_i}

    c_b is 1, or for means one over the number of rows in the bag.

    Args:
        rows, bags: of each i the row k_i and the bag b, (K,).
        used: which of the numbers that were given these are: all but the padding's.
        scale: c_b of each i, (K,).
        count: of bags.
        by_frequency: divide gweight_k by how often k is named.
    """

    def __init__(
        self, rows: Array, bags: Array, used: Array, scale: Array, count: int, by_frequency: bool
    ) -> None:
        self.rows, self.bags, self.used, self.scale = rows, bags, used, scale
        self.count, self.by_frequency = count, by_frequency

    def forward(self, weight: Array, *factors: Array) -> Array:  # (V, D), (N,) -> (B, D)
        self.save_for_backward(weight, *factors)
        values = weight[self.rows] * self._factor(*factors)[:, None]
        return _sums.add_at((self.count, weight.shape[1]), self.bags, values)

    def _factor(self, *factors: Array) -> Array:
        return self.scale * factors[0][self.used] if factors else self.scale

    def backward(self, gy: Array) -> tuple[Array, ...]:
        weight, *factors = self.saved
        arrived = gy[self.bags]
        gweight = _sums.add_at(
            weight.shape, self.rows, arrived * self._factor(*factors)[:, None].astype(gy.dtype)
        )
        if self.by_frequency:
            counts = np.bincount(self.rows, minlength=len(weight)).astype(gy.dtype)
            gweight /= np.maximum(counts, 1)[:, None]
        if not factors:
            return (gweight,)
        gfactors = np.zeros_like(factors[0])
        gfactors[self.used] = (arrived * weight[self.rows]).sum(1) * self.scale
        return gweight, gfactors


class MaxBag(Function):
    """y_bd = the largest weight_{k_i, d} over the i of bag b, 0 of an empty one.

    The first of the largest receives the whole gradient. Arguments as of `SumBag`; the bags ascend.
    """

    def __init__(self, rows: Array, bags: Array, count: int) -> None:
        self.rows, self.bags, self.count = rows, bags, count

    def forward(self, weight: Array) -> Array:  # (V, D) -> (B, D)
        self.shape = weight.shape
        y = np.zeros((self.count, weight.shape[1]), weight.dtype)
        self.filled, starts = np.unique(self.bags, return_index=True)
        if not len(starts):
            return y
        values = weight[self.rows]
        y[self.filled] = np.maximum.reduceat(values, starts)
        is_largest = (values == y[self.bags]) | np.isnan(values)
        places = np.where(is_largest, np.arange(len(values))[:, None], len(values))
        self.winners = self.rows[np.minimum.reduceat(places, starts)]  # (filled bags, D)
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        if not len(self.filled):
            return (np.zeros(self.shape, gy.dtype),)
        columns = np.broadcast_to(np.arange(self.shape[1]), self.winners.shape)
        return (_sums.add_at(self.shape, (self.winners, columns), gy[self.filled]),)


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or largest of the rows of `weight` that each bag names; 0 of an empty bag.

        y_b = the sum over i in bag b of a_i * weight_{input_i},   or its mean, or the largest

    Shape: input (B, N), B bags of N, or (K,), bags one after the other; weight (V, D) -> (B, D).

    Args:
        offsets: of an input (K,), where each bag begins, ascending from 0.
        max_norm: rows that are used are first scaled, in place, to at most this norm.
        norm_type: p of that norm.
        scale_grad_by_freq: divide each row's gradient by how often it is named; not with "max".
        mode: "sum", "mean" or "max".
        sparse: True is refused: gradients are dense here.
        per_sample_weights: a, of the input's shape; with "sum" alone.
        include_last_offset: `offsets` ends with where the last bag ends.
        padding_idx: a row that counts in no bag, and receives no gradient.

    Raises:
        IndexError: a number is outside 0 to V - 1.
        ValueError: `offsets` are missing for (K,), or given for (B, N); or `mode` is none of these.
        NotImplementedError: `sparse` is True, or `per_sample_weights` come with another mode than
            "sum".

    Example:
        >>> weight = npnet.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        >>> F.embedding_bag(npnet.tensor([0, 1, 2]), weight, offsets=npnet.tensor([0, 2]))
        tensor([[2., 3.],
                [5., 6.]])

    Source: Joulin et al. (2017), arXiv:1607.01759, section 2: the mean of words' vectors.
    """
    for x in (input, weight):
        if not isinstance(x, Variable):
            raise not_tensors("embedding_bag", x)
    if weight.dtype == np.int64 and input.is_floating_point():
        warnings.warn(
            "Argument order of nn.functional.embedding_bag was changed. Usage `embedding_bag("
            "weight, input, ...)` is deprecated, and should now be `embedding_bag(input, weight, "
            "...)`.",
            stacklevel=2,
        )
        input, weight = weight, input
    _check(input, weight, mode, sparse, scale_grad_by_freq, per_sample_weights)
    rows, starts = _rows_and_starts(input, offsets, include_last_offset)
    count = weight.shape[0]
    if rows.size and not 0 <= rows.min() <= rows.max() < count:
        raise IndexError(
            f"embedding_bag: input must lie in [0, {count - 1}] for weight "
            f"{tuple(weight.shape)}, got "
            f"{rows.min()} to {rows.max()}"
        )
    if padding_idx is not None and not -count <= padding_idx < count:
        raise RuntimeError(
            f"embedding_bag: padding_idx must be a row of {count}, got {padding_idx}"
        )
    if max_norm is not None:
        limit_rows("embedding_bag", weight, rows, max_norm, norm_type)
    total = len(starts) - 1
    bags = np.repeat(np.arange(total), np.diff(starts))
    padding = -1 if padding_idx is None else padding_idx % count
    used = np.flatnonzero(rows != padding)
    rows, bags = rows[used], bags[used]
    if mode == "max":
        return MaxBag(rows, bags, total)(weight)
    scale = np.ones(len(rows), weight.dtype)
    if mode == "mean":
        scale /= np.bincount(bags, minlength=total)[bags]
    factors = () if per_sample_weights is None else (per_sample_weights.reshape(-1),)
    return SumBag(rows, bags, used, scale, total, scale_grad_by_freq)(weight, *factors)


def _check(
    input: Tensor,
    weight: Tensor,
    mode: str,
    sparse: bool,
    by_frequency: bool,
    factors: Tensor | None,
) -> None:
    check_dtypes("embedding_bag", weight)
    if weight.ndim != 2:
        raise ValueError(f"embedding_bag: weight must be (V, D), got {tuple(weight.shape)}")
    if input.dtype not in (np.int32, np.int64):
        raise RuntimeError(
            f"embedding_bag: input must be int32 or int64 numbers of rows, got {input.dtype}; "
            "x.long() converts"
        )
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"embedding_bag: mode must be sum, mean or max, got {mode!r}")
    if mode == "max" and by_frequency:
        raise ValueError("embedding_bag: scale_grad_by_freq goes with mode sum or mean alone")
    if sparse:
        raise NotImplementedError(
            "embedding_bag: sparse=True is not supported; gradients are dense"
        )
    if factors is None:
        return
    if factors.shape != input.shape:
        raise ValueError(
            "embedding_bag: per_sample_weights must have the shape of input, "
            f"{tuple(input.shape)}; got "
            f"{tuple(factors.shape)}"
        )
    if mode != "sum":
        raise NotImplementedError(
            f"embedding_bag: per_sample_weights go with mode='sum', got {mode!r}"
        )
    check_dtypes("embedding_bag", weight, factors)


def _rows_and_starts(
    input: Tensor, offsets: Tensor | None, include_last: bool
) -> tuple[Array, Array]:
    """The numbers (K,), and where each bag begins and the last one ends (B + 1,)."""
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError("embedding_bag: input (B, N) is B bags, and takes no offsets")
        bags, each = input.shape
        return input.array.reshape(-1).copy(), np.arange(bags + 1) * each
    if input.ndim != 1:
        raise ValueError(f"embedding_bag: input must be (B, N) or (K,), got {tuple(input.shape)}")
    if offsets is None or offsets.ndim != 1:
        raise ValueError("embedding_bag: an input (K,) needs offsets (B,): where each bag begins")
    if offsets.dtype not in (np.int32, np.int64):
        raise RuntimeError(f"embedding_bag: offsets must be int32 or int64, got {offsets.dtype}")
    size = len(input.array)
    if include_last and not offsets.numel():
        raise RuntimeError(
            "embedding_bag: with include_last_offset, offsets must hold at least one number"
        )
    starts = offsets.array if include_last else np.append(offsets.array, size)
    if starts[0] != 0 and len(starts) > 1:
        raise RuntimeError(f"embedding_bag: offsets[0] has to be 0, got {starts[0]}")
    if (np.diff(starts) < 0).any() or starts[-1] > size:
        raise RuntimeError(
            f"embedding_bag: offsets must ascend up to the {size} of input, got {starts}"
        )
    return input.array[: starts[-1]].copy(), starts
