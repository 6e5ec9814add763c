"""Norms of vectors and matrices, distances, and the logarithm of a sum of exponentials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS
from npnet.ops import _sums, arithmetic, choices, compare, functions, indexing, reduce, shape
from npnet.ops.broadcasting import as_operands, check_tensors
from npnet.tape import Function, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "cdist",
    "cosine_similarity",
    "dist",
    "logsumexp",
    "norm",
    "pairwise_distance",
    "pdist",
    "renorm",
    "vector_norm",
]

Dims: TypeAlias = int | Sequence[int] | None


class Norm2(reduce.Sum):
    """y = sqrt(sum(x^2));  gx = gy * x / y, 0 where y = 0."""

    def forward(self, x: Array) -> Array:
        y = np.asarray(np.sqrt(_sums.add_products(x, x, self.axes, self.keepdim)))
        self.save_for_backward(x, y)
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        x, y = self.saved
        y = self.restore(y)
        return (self.restore(gy) * np.where(y == 0, y, x / y),)


class NormP(reduce.Sum):
    """y = (sum |x|^p)^(1/p);  gx = gy * x |x|^(p-2) / y^(p-1), 0 where x or y is 0."""

    def __init__(self, axes: tuple[int, ...], keepdim: bool, p: float) -> None:
        super().__init__(axes, keepdim)
        self.p = p

    def forward(self, x: Array) -> Array:
        powers = np.abs(x) ** x.dtype.type(self.p)
        y = np.asarray(_sums.add_up(powers, self.axes, self.keepdim)) ** x.dtype.type(1 / self.p)
        y = np.asarray(y)
        self.save_for_backward(x, y)
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        x, y = self.saved
        y, p = self.restore(y), x.dtype.type(self.p)
        slope = np.sign(x) * (np.abs(x) / y) ** (p - 1)
        zero = (y == 0) | ((x == 0) & (self.p < 2))
        return (self.restore(gy) * np.where(zero, x.dtype.type(0), slope),)


class NormInf(reduce.Sum):
    """The largest or smallest |x|; those that equal it share the gradient evenly."""

    def __init__(self, axes: tuple[int, ...], keepdim: bool, choose: Any) -> None:
        super().__init__(axes, keepdim)
        self.choose = choose

    def forward(self, x: Array) -> Array:
        y = np.asarray(self.choose(np.abs(x), axis=self.axes, keepdims=self.keepdim))
        self.save_for_backward(x, y)
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        x, y = self.saved
        equal = np.abs(x) == self.restore(y)
        count = equal.sum(self.axes, keepdims=True).astype(x.dtype)
        return (np.where(equal, np.sign(x) * self.restore(gy) / count, x.dtype.type(0)),)


def vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: npt.DTypeLike | None = None,
) -> Tensor:
    """(sum of |x|^ord)^(1/ord) over all values, or along `dim`.

    Args:
        ord: any number; infinity for the largest absolute value, -infinity for the smallest, 0 for
            how many are not 0.

    Shape: (...) -> (), or without the axes of `dim`; these of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis.
        RuntimeError: the input is not of a floating point dtype.

    Example:
        >>> x = npnet.tensor([3.0, -4.0, 0.0])
        >>> [npnet.linalg.vector_norm(x, p).item() for p in (2, 1, npnet.inf, 0)]
        [5.0, 7.0, 4.0, 2.0]
    """
    if dtype is not None:
        x = shape.cast(x, np.dtype(dtype))
    if x.dtype.kind not in FLOATS:
        raise RuntimeError(f"norm: input must be floating point, got {x.dtype}; use x.float()")
    axes = reduce.axes_of("norm", x, dim)
    if (ord == math.inf or ord < 0) and math.prod(x.shape[a] for a in axes) == 0:
        raise RuntimeError(f"norm: there is no norm of order {ord} of nothing, got {x.shape}")
    if ord == 2:
        return Norm2(axes, keepdim)(x)
    if ord in (math.inf, -math.inf):
        return NormInf(axes, keepdim, np.max if ord > 0 else np.min)(x)
    if ord == 0:
        nonzero = shape.cast(compare.ne(x, 0), x.dtype)
        return reduce.sum(nonzero if not x.requires_grad else _zero_slope(x, nonzero), dim, keepdim)
    if ord == 1:
        return reduce.sum(functions.abs(x), dim, keepdim)
    return NormP(axes, keepdim, ord)(x)


def _zero_slope(x: Tensor, values: Tensor) -> Tensor:
    """`values`, on the tape as a result of x with the gradient 0."""
    return arithmetic.add(values, arithmetic.mul(x, 0.0))


def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: npt.DTypeLike | None = None,
) -> Tensor:
    """(sum of |x|^p)^(1/p) over all values, or along `dim`.

    Args:
        p: a number, see `linalg.vector_norm`; "fro" means 2, "nuc" the sum of the singular values.
        dtype: to convert to first.

    Shape: (...) -> (), or without the axes of `dim`; these of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis.
        RuntimeError: p is none of these, or the input is not of a floating point dtype.

    Example:
        >>> x = npnet.tensor([[3.0, 4.0], [6.0, 8.0]])
        >>> npnet.norm(x[0]), npnet.norm(x, p=1, dim=1)
        (tensor(5.), tensor([ 7., 14.]))
    """
    check_tensors("norm", input)
    if p == "nuc":
        x = input if dtype is None else shape.cast(input, np.dtype(dtype))
        return _nuclear(x, dim, keepdim)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"norm: p must be a number, 'fro' or 'nuc', got {p!r}")
    order = 2.0 if p is None or isinstance(p, str) else float(p)
    return vector_norm(input, order, dim, keepdim, dtype=dtype)


class Nuclear(Function):
    """The sum of the singular values of A = U diag(S) V^T;  gA = gy * U V^T."""

    def forward(self, a: Array) -> Array:
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        self.turn = np.asarray(u @ vh)
        return np.asarray(_sums.add_up(s, (s.ndim - 1,)))

    def backward(self, gy: Array) -> tuple[Array]:
        return (gy[..., None, None] * self.turn,)


def _nuclear(x: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    axes = [*range(x.ndim)] if dim is None else list(reduce.axes_of("norm", x, dim))
    if len(axes) != 2:
        raise RuntimeError(f"norm: 'nuc' takes two axes, got {x.shape} and dim {dim}")
    rest = [i for i in range(x.ndim) if i not in axes]
    y = Nuclear()(shape.permute(x, rest + axes))
    for d in sorted(axes) if keepdim else ():
        y = shape.unsqueeze(y, d)
    return y


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The norm of `input - other`.

    Example:
        >>> x, y = npnet.tensor([1.0, 2.0]), npnet.tensor([4.0, 6.0])
        >>> npnet.dist(x, y), npnet.dist(x, y, p=1)
        (tensor(5.), tensor(7.))
    """
    return vector_norm(arithmetic.sub(input, other), p)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The norm of `x1 - x2 + eps` along the last axis.  Shape: (..., d), (..., d) -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.pairwise_distance(npnet.tensor([[0.0, 0.0]]), npnet.tensor([[3.0, 4.0]]))
        tensor([5.0000])
    """
    return vector_norm(arithmetic.add(arithmetic.sub(x1, x2), eps), p, -1, keepdim)


def _at_least(length: Tensor, eps: float) -> Tensor:
    """A length, or eps where it is less; the gradient is that of the length in both cases."""
    off = np.maximum(length.array, length.dtype.type(eps)) - length.array
    return arithmetic.add(length, result(np.asarray(off)))


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 . x2 / (max(|x1|, eps) * max(|x2|, eps)) along `dim`, broadcast.

    Shape: (..., D, ...), (..., D, ...) -> (..., ...), without `dim`, broadcast.

    Raises:
        ShapeError: the shapes do not broadcast.
        IndexError: `dim` is no axis.
        RuntimeError: the inputs are not of a floating point dtype.

    Example:
        >>> npnet.cosine_similarity(npnet.tensor([[3.0, 4.0]]), npnet.tensor([[4.0, 3.0]]))
        tensor([0.9600])
    """
    x1, x2 = as_operands("cosine_similarity", x1, x2)
    if x1.dtype.kind not in FLOATS:
        raise RuntimeError(f"cosine_similarity: inputs must be floating point, got {x1.dtype}")
    size = shape.broadcast_shapes("cosine_similarity", x1.shape, x2.shape)
    x1, x2 = shape.expand(x1, size), shape.expand(x2, size)
    units = [
        arithmetic.div(x, _at_least(vector_norm(x, 2, dim, keepdim=True), eps)) for x in (x1, x2)
    ]
    return reduce.sum(arithmetic.mul(*units), dim)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """The norm of the difference of each row of x1 and each of x2.

    Shape: (..., n, d), (..., m, d) -> (..., n, m), leading axes broadcast.

    Args:
        compute_mode: how PyTorch computes it; here always by the differences, the most exact.

    Raises:
        RuntimeError: d differs, or there are fewer than two axes.

    Example:
        >>> npnet.cdist(npnet.tensor([[0.0, 0.0], [3.0, 0.0]]), npnet.tensor([[0.0, 4.0]]))
        tensor([[4.],
                [5.]])
    """
    check_tensors("cdist", x1)
    if min(x1.ndim, x2.ndim) < 2 or x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(
            f"cdist: takes (..., n, d) and (..., m, d) of one d; got {x1.shape} and {x2.shape}"
        )
    if p < 0:
        raise RuntimeError(f"cdist: p must be >= 0, got {p}")
    difference = arithmetic.sub(shape.unsqueeze(x1, -2), shape.unsqueeze(x2, -3))
    if not difference.shape[-1]:
        return reduce.sum(difference, -1)
    return vector_norm(difference, p, -1)


def pdist(input: Tensor, p: float = 2) -> Tensor:
    """The norm of the difference of each row and each later one.

        y = |x_0 - x_1|, |x_0 - x_2|, ..., |x_1 - x_2|, ...   of p-norms

    Of the ops it is written with; the gradient is 0 where two rows are equal.
    Shape: (n, d) -> (n * (n - 1) / 2,).

    Raises:
        RuntimeError: the input has not two axes, or p is negative.

    Example:
        >>> npnet.pdist(npnet.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 8.0]]))
        tensor([5., 8., 5.])
    """
    check_tensors("pdist", input)
    if input.ndim != 2:
        raise RuntimeError(f"pdist: only supports 2D tensors (n, d), got {tuple(input.shape)}")
    if input.dtype.kind not in FLOATS:
        raise RuntimeError(f"pdist: only supports floating-point dtypes, got {input.dtype}")
    if p < 0:
        raise RuntimeError(f"pdist: p must be >= 0, got {p}")
    first, second = np.triu_indices(len(input), 1)
    difference = arithmetic.sub(indexing.get_item(input, first), indexing.get_item(input, second))
    if not difference.shape[-1]:
        return reduce.sum(difference, -1)
    return vector_norm(difference, p, -1)


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Slices along `dim` made shorter, to a norm of `maxnorm`, where theirs is larger.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: there are fewer than two axes, p is not positive, or maxnorm is negative.

    Example:
        >>> npnet.renorm(npnet.tensor([[3.0, 4.0], [0.0, 1.0]]), p=2, dim=0, maxnorm=2.5)
        tensor([[1.5000, 2.0000],
                [0.0000, 1.0000]])
    """
    at = shape.axis("renorm", dim, input.ndim)
    if p <= 0 or maxnorm < 0 or input.ndim < 2:
        raise RuntimeError(
            f"renorm: takes p > 0, maxnorm >= 0 and 2 axes; got {p}, {maxnorm} and {input.shape}"
        )
    length = vector_norm(input, p, [a for a in range(input.ndim) if a != at], keepdim=True)
    shorter = arithmetic.div(maxnorm, arithmetic.add(length, 1e-7))
    return arithmetic.mul(input, choices.where(compare.gt(length, maxnorm), shorter, 1.0))


def logsumexp(input: Tensor, dim: int | Sequence[int], keepdim: bool = False) -> Tensor:
    """log(sum(exp(x))) along `dim`; the largest x is taken off first, so nothing overflows.

    Shape: (...) -> without the axes of `dim`; these of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis.

    Example:
        >>> npnet.logsumexp(npnet.tensor([[0.0, 0.0, 0.0], [100.0, 100.0, 100.0]]), dim=1)
        tensor([  1.0986, 101.0986])
    """
    input = functions.as_float(input)
    axes = reduce.axes_of("logsumexp", input, dim)
    if not input.numel():
        return functions.log(reduce.sum(functions.exp(input), dim, keepdim))
    largest = input.array.max(axes, keepdims=True)
    top = result(np.asarray(np.where(np.isfinite(largest), largest, 0)).astype(input.dtype))
    total = reduce.sum(functions.exp(input - top), dim, keepdim=True)
    y = functions.log(total) + top
    return y if keepdim else shape.squeeze(y, axes)
