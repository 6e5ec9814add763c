"""Matrix products for one number of axes each, and norms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import check_axes
from npnet.ops import _sums, arithmetic, functions, reduce, shape
from npnet.ops.linear import matmul
from npnet.tape import result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["bmm", "dot", "logsumexp", "mm", "mv", "norm", "outer"]

Dims: TypeAlias = int | Sequence[int] | None


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices.  Shape: (n, k) @ (k, m) -> (n, m)."""
    check_axes("mm", "input", input.shape, ("n", "k"))
    check_axes("mm", "mat2", mat2.shape, ("k", "m"))
    return matmul(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches of matrices.  Shape: (b, n, k) @ (b, k, m) -> (b, n, m)."""
    check_axes("bmm", "input", input.shape, ("b", "n", "k"))
    check_axes("bmm", "mat2", mat2.shape, ("b", "k", "m"))
    return matmul(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """A matrix times a vector.  Shape: (n, k) @ (k,) -> (n,)."""
    check_axes("mv", "input", input.shape, ("n", "k"))
    check_axes("mv", "vec", vec.shape, ("k",))
    return matmul(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The sum of the products of two vectors.  Shape: (k,), (k,) -> ()."""
    check_axes("dot", "input", input.shape, ("k",))
    check_axes("dot", "tensor", tensor.shape, ("k",))
    return matmul(input, tensor)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of two vectors' values.  Shape: (n,), (m,) -> (n, m)."""
    check_axes("outer", "input", input.shape, ("n",))
    check_axes("outer", "vec2", vec2.shape, ("m",))
    return arithmetic.mul(shape.unsqueeze(input, 1), vec2)


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


def norm(
    input: Tensor, p: float | str | None = "fro", dim: Dims = None, keepdim: bool = False
) -> Tensor:
    """(sum of |x|^p)^(1/p) over all values, or along `dim`.

    Args:
        p: 2, which "fro" means too; 1; infinity for the largest absolute value; any number > 0.
    """
    if p is None or p in ("fro", 2):
        return Norm2(reduce.axes_of("norm", input, dim), keepdim)(input)
    if isinstance(p, str) or p <= 0:
        raise NotImplementedError(f"norm: p must be a number > 0 or 'fro', got {p!r}")
    size = functions.abs(input)
    if p == math.inf:
        if dim is not None and not isinstance(dim, int):
            raise NotImplementedError("norm: p = inf takes one axis or all, got several")
        largest = reduce.max(size, dim, keepdim)
        return largest if dim is None else largest.values
    if p == 1:
        return reduce.sum(size, dim, keepdim)
    return arithmetic.pow(reduce.sum(arithmetic.pow(size, p), dim, keepdim), 1 / p)


def logsumexp(input: Tensor, dim: int | Sequence[int], keepdim: bool = False) -> Tensor:
    """log(sum(exp(x))) along `dim`; the largest x is taken off first, so nothing overflows."""
    axes = reduce.axes_of("logsumexp", input, dim)
    largest = input.array.max(axes, keepdims=True)
    top = result(np.where(np.isfinite(largest), largest, 0).astype(input.dtype))
    total = reduce.sum(functions.exp(input - top), dim, keepdim=True)
    y = functions.log(total) + top
    return y if keepdim else shape.squeeze(y, axes)
