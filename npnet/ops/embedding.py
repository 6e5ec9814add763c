"""Rows of a table by their numbers, and products of two inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError, check_writable, not_tensors
from npnet.ops import _sums, arithmetic, reduce, shape
from npnet.ops.dtypes import check_dtypes
from npnet.ops.linear import matmul
from npnet.tape import Function, Variable

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["bilinear", "embedding", "limit_rows"]


class Embedding(Function):
    """y_i = weight_{k_i};  gweight_k = the sum of gy_i where k_i = k."""

    def __init__(self, rows: Array, padding: int | None, by_frequency: bool) -> None:
        self.rows, self.padding, self.by_frequency = rows, padding, by_frequency

    def forward(self, weight: Array) -> Array:  # (V, D) -> (..., D)
        self.size = weight.shape
        return weight[self.rows]

    def backward(self, gy: Array) -> tuple[Array]:
        rows = self.rows.reshape(-1)
        gweight = _sums.add_at(self.size, rows, gy.reshape(len(rows), self.size[1]))
        if self.by_frequency:
            counts = np.bincount(rows, minlength=len(gweight)).astype(gy.dtype)
            gweight /= np.maximum(counts, 1)[:, None]
        if self.padding is not None:
            gweight[self.padding] = 0
        return (gweight,)


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight` that `input` names.  Shape: (...) integers, (V, D) -> (..., D).

    Args:
        padding_idx: a row that receives no gradient.
        max_norm: rows that are used are first scaled, in place, to at most this norm.
        norm_type: p of that norm.
        scale_grad_by_freq: divide each row's gradient by how often it is named.
        sparse: True is refused: gradients are dense here.

    Raises:
        IndexError: a number is outside 0 to V - 1; negative ones do not count from the end.
        RuntimeError: the input is not of integers, or `padding_idx` is no row.
        NotImplementedError: `sparse` is True.

    Example:
        >>> weight = npnet.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        >>> F.embedding(npnet.tensor([[2, 0]]), weight)
        tensor([[[5., 6.],
                 [1., 2.]]])

    Source: Bengio et al. (2003), section 2.
    """
    if sparse:
        raise NotImplementedError("embedding: sparse=True is not supported; gradients are dense")
    check_dtypes("embedding", weight)
    if not isinstance(input, Variable):
        raise not_tensors("embedding", input)
    if weight.ndim != 2:
        raise ShapeError(f"embedding: weight must be (V, D), got {weight.shape}")
    if input.dtype not in (np.int32, np.int64):
        raise RuntimeError(
            f"embedding: input must be int32 or int64 numbers of rows, got {input.dtype}; "
            "x.long() converts"
        )
    rows, count = input.array.copy(), weight.shape[0]
    if rows.size and not 0 <= rows.min() <= rows.max() < count:
        raise IndexError(
            f"embedding: input must lie in [0, {count - 1}] for weight {weight.shape}, got "
            f"{rows.min()} to {rows.max()}"
        )
    if padding_idx is not None:
        if not -count <= padding_idx < count:
            raise RuntimeError(
                f"embedding: padding_idx must be a row of {count}, got {padding_idx}"
            )
        padding_idx %= count
    if max_norm is not None:
        limit_rows("embedding", weight, rows, max_norm, norm_type)
    return Embedding(rows, padding_idx, scale_grad_by_freq)(weight)


def limit_rows(op: str, weight: Tensor, rows: Array, max_norm: float, norm_type: float) -> None:
    """Scale rows to at most a norm, in place, as in PyTorch: a little below it."""
    check_writable(op, "weight", weight.array)
    used = np.unique(rows)
    norms: Any = np.linalg.norm(weight.array[used], norm_type, axis=1)
    over = norms > max_norm
    if over.any():
        scale = (max_norm / (norms[over] + 1e-7)).astype(weight.dtype)
        weight.array[used[over]] *= scale[:, None]
        weight._version.writes += 1


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y_o = x1 @ weight_o @ x2 + bias_o, of the ops it is written with.

    Shape: (..., I), (..., J), weight (O, I, J), bias (O,) -> (..., O).

    Raises:
        ShapeError: the inputs do not fit the weight, or their leading axes differ.

    Example:
        >>> weight = npnet.eye(2).reshape(1, 2, 2)  # then it is the scalar product
        >>> npnet.bilinear(npnet.tensor([[1.0, 2.0]]), npnet.tensor([[3.0, 4.0]]), weight)
        tensor([[11.]])
    """
    check_dtypes("bilinear", input1, input2, weight, integers=True)
    if weight.ndim != 3:
        raise ShapeError(f"bilinear: weight must be (O, I, J), got {weight.shape}")
    outputs, rows, columns = weight.shape
    if (
        input1.shape[:-1] != input2.shape[:-1]
        or input1.shape[-1:] != (rows,)
        or input2.shape[-1:] != (columns,)
    ):
        raise ShapeError(
            f"bilinear: inputs must be (..., {rows}) and (..., {columns}) for weight "
            f"{weight.shape}, got {input1.shape} and {input2.shape}"
        )
    by_row = shape.reshape(shape.permute(weight, (0, 2, 1)), (outputs * columns, rows))
    first = shape.reshape(
        matmul(input1, shape.transpose(by_row, 0, 1)), (*input1.shape[:-1], outputs, columns)
    )
    y = reduce.sum(arithmetic.mul(first, shape.unsqueeze(input2, -2)), -1)
    y = shape.cast(y, weight.dtype)  # integers add up in int64
    if bias is None:
        return y
    if bias.shape != (outputs,):
        raise ShapeError(f"bilinear: bias must be ({outputs},), got {bias.shape}")
    return arithmetic.add(y, bias)
