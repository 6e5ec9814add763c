"""Matrix products for one number of axes each, of several factors, and added to something."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.bfloat16 import FLOATS
from npnet.base.checks import ShapeError, check_axes
from npnet.ops import arithmetic, reduce, shape
from npnet.ops.broadcasting import check_tensors
from npnet.ops.dtypes import Number
from npnet.ops.linear import matmul
from npnet.ops.old_orders import numbers_first
from npnet.tape import Variable

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "addbmm",
    "addcdiv",
    "addcmul",
    "addmm",
    "addmv",
    "addr",
    "baddbmm",
    "bmm",
    "chain_matmul",
    "cross",
    "dot",
    "inner",
    "kron",
    "mm",
    "mv",
    "outer",
    "tensordot",
    "vdot",
]


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices.  Shape: (n, k) @ (k, m) -> (n, m).

    Raises:
        ShapeError: the inner sizes k differ, or there are other axes.
        RuntimeError: the dtypes differ.

    Example:
        >>> npnet.mm(npnet.tensor([[1, 2], [3, 4]]), npnet.tensor([[1], [10]]))
        tensor([[21],
                [43]])
    """
    check_axes("mm", "input", input.shape, ("n", "k"))
    check_axes("mm", "mat2", mat2.shape, ("k", "m"))
    return matmul(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches of matrices.  Shape: (b, n, k) @ (b, k, m) -> (b, n, m).

    Raises:
        ShapeError: b or k differ, or there are other axes.

    Example:
        >>> x = npnet.tensor([[[1, 2], [3, 4]]])
        >>> npnet.bmm(x, x), npnet.bmm(npnet.zeros(5, 2, 3), npnet.zeros(5, 3, 4)).shape
        (tensor([[[ 7, 10],
                 [15, 22]]]), (5, 2, 4))
    """
    check_axes("bmm", "input", input.shape, ("b", "n", "k"))
    check_axes("bmm", "mat2", mat2.shape, ("b", "k", "m"))
    if input.shape[0] != mat2.shape[0]:
        raise ShapeError(f"bmm: batches must be equal; got {input.shape} and {mat2.shape}")
    return matmul(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """A matrix times a vector.  Shape: (n, k) @ (k,) -> (n,).

    Raises:
        ShapeError: k differs, or there are other axes.

    Example:
        >>> npnet.mv(npnet.tensor([[1, 2], [3, 4]]), npnet.tensor([1, 10]))
        tensor([21, 43])
    """
    check_axes("mv", "input", input.shape, ("n", "k"))
    check_axes("mv", "vec", vec.shape, ("k",))
    return matmul(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The sum of the products of two vectors.  Shape: (k,), (k,) -> ().

    Raises:
        ShapeError: the lengths differ, or there are other axes.

    Example:
        >>> npnet.dot(npnet.tensor([1, 2, 3]), npnet.tensor([4, 5, 6]))
        tensor(32)
    """
    check_axes("dot", "input", input.shape, ("k",))
    check_axes("dot", "tensor", tensor.shape, ("k",))
    return matmul(input, tensor)


def vdot(input: Tensor, other: Tensor) -> Tensor:
    """`dot`: of real numbers the two are the same.

    Shape: (k,), (k,) -> ().

    Raises:
        ShapeError: the lengths differ.

    Example:
        >>> npnet.vdot(npnet.tensor([1, 2, 3]), npnet.tensor([4, 5, 6]))
        tensor(32)
    """
    return dot(input, other)


def inner(input: Tensor, other: Tensor) -> Tensor:
    """The sum of the products along both last axes; with a single number, the product.

    Shape: (..., k), (*, k) -> (..., *).

    Raises:
        ShapeError: the last axes differ.

    Example:
        >>> npnet.inner(npnet.tensor([1, 2]), npnet.tensor([[1, 0], [0, 1], [1, 1]]))
        tensor([1, 2, 3])
    """
    if not input.ndim or not other.ndim:
        return arithmetic.mul(input, other)
    if input.shape[-1] != other.shape[-1]:
        raise ShapeError(f"inner: last axes must be equal; got {input.shape} and {other.shape}")
    return tensordot(input, other, ([-1], [-1]))


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of two vectors' values.  Shape: (n,), (m,) -> (n, m).

    Raises:
        ShapeError: one is no vector.

    Example:
        >>> npnet.outer(npnet.tensor([1, 2]), npnet.tensor([10, 20, 30]))
        tensor([[10, 20, 30],
                [20, 40, 60]])
    """
    check_axes("outer", "input", input.shape, ("n",))
    check_axes("outer", "vec2", vec2.shape, ("m",))
    return arithmetic.mul(shape.unsqueeze(input, 1), vec2)


def kron(input: Tensor, other: Tensor) -> Tensor:
    """Kronecker's product: a copy of `other` times each value of `input`, side by side.

    Shape: (m, n), (p, q) -> (m * p, n * q).

    Example:
        >>> npnet.kron(npnet.tensor([[1, 10]]), npnet.tensor([[1, 2], [3, 4]]))
        tensor([[ 1,  2, 10, 20],
                [ 3,  4, 30, 40]])
    """
    count = max(input.ndim, other.ndim)
    a, b = ((1,) * (count - x.ndim) + x.shape for x in (input, other))
    x = shape.reshape(input, [n for size in a for n in (size, 1)])
    y = shape.reshape(other, [n for size in b for n in (1, size)])
    product = arithmetic.mul(x, y)
    return shape.reshape(product, [n * m for n, m in zip(a, b, strict=True)])


def tensordot(a: Tensor, b: Tensor, dims: int | Sequence[Sequence[int]] | Tensor = 2) -> Tensor:
    """The sum of the products over pairs of axes; the others of a, then those of b, stay.

    Args:
        dims: how many of the last axes of a and the first of b; or two lists of axes.

    Shape: (*, k), (k, ...) -> (*, ...) for dims 1.

    Raises:
        ShapeError: paired axes differ in size.
        RuntimeError: `dims` is more than there are axes.

    Example:
        >>> x, y = npnet.ones(2, 3, 4), npnet.ones(3, 4, 5)
        >>> npnet.tensordot(x, y).shape, npnet.tensordot(x, y, dims=([1], [0])).shape
        ((2, 5), (2, 4, 4, 5))
    """
    check_tensors("tensordot", a)
    given: Any = dims.array.tolist() if isinstance(dims, Variable) else dims
    if isinstance(given, int):
        dims = given
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot: dims must lie in [0, {min(a.ndim, b.ndim)}]: {dims}")
        given = ([*range(a.ndim - dims, a.ndim)], [*range(dims)])
    first, second = (
        [shape.axis("tensordot", d, x.ndim) for d in ((ds,) if isinstance(ds, int) else ds)]
        for x, ds in zip((a, b), given, strict=True)
    )
    # An axis of size 1 counts as often as the other one is long, which is summed over alone.
    for i, j in zip(first, second, strict=True):
        if b.shape[j] == 1 < a.shape[i]:
            a = reduce.sum(a, i, keepdim=True, dtype=a.dtype)
        elif a.shape[i] == 1 < b.shape[j]:
            b = reduce.sum(b, j, keepdim=True, dtype=b.dtype)
    if [a.shape[i] for i in first] != [b.shape[i] for i in second]:
        raise ShapeError(
            f"tensordot: paired axes must be equal; got {a.shape} along {first} and {b.shape} "
            f"along {second}"
        )
    left = [i for i in range(a.ndim) if i not in first]
    right = [i for i in range(b.ndim) if i not in second]
    count = math.prod(a.shape[i] for i in first)
    rows, columns = [a.shape[i] for i in left], [b.shape[i] for i in right]
    x = shape.reshape(shape.permute(a, left + first), (math.prod(rows), count))
    y = shape.reshape(shape.permute(b, second + right), (count, math.prod(columns)))
    return shape.reshape(matmul(x, y), rows + columns)


def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of several matrices, from the left to the right.

    Shape: (n, k), (k, m), ..., (p, q) -> (n, q).

    Raises:
        ShapeError: the inner sizes differ.

    Example:
        >>> x = npnet.tensor([[1, 1], [0, 1]])
        >>> npnet.chain_matmul(x, x, x, npnet.tensor([[1], [1]]))
        tensor([[4],
                [1]])
    """
    if not matrices:
        raise RuntimeError("chain_matmul: needs at least one matrix, got none")
    product = matrices[0]
    for matrix in matrices[1:]:
        product = mm(product, matrix)
    return product


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The vector product along an axis of size 3, by default the first such one.

    Shape: both (..., 3, ...), broadcast -> (..., 3, ...).

    Raises:
        RuntimeError: no axis is of size 3, or one has more axes than the other.
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.cross(npnet.tensor([1, 0, 0]), npnet.tensor([0, 1, 0]))
        tensor([0, 0, 1])
    """
    size = shape.broadcast_shapes("cross", input.shape, other.shape)
    if input.ndim != other.ndim:
        raise RuntimeError(f"cross: as many axes are needed; got {input.shape}, {other.shape}")
    if dim is None:
        if 3 not in size:
            raise RuntimeError(f"cross: one axis must be of size 3; got {input.shape}")
        dim = size.index(3)
    at = shape.axis("cross", dim, len(size))
    if size[at] != 3:
        raise RuntimeError(f"cross: axis {dim} must be of size 3; got {size}")
    before = (slice(None),) * at
    turned = ([1, 2, 0], [2, 0, 1])
    a, b = (input[(*before, places)] for places in turned)
    c, d = (other[(*before, places)] for places in turned)
    return arithmetic.sub(arithmetic.mul(a, d), arithmetic.mul(b, c))


# ---- added to something ------------------------------------------------------------------------


def _plus(op: str, input: Tensor, product: Tensor, beta: Number, alpha: Number) -> Tensor:
    """beta * input + alpha * product, in the product's shape; NaN in `input` go where beta is 0."""
    if input.dtype != product.dtype:
        raise RuntimeError(f"{op}: dtypes must be equal, got {input.dtype} and {product.dtype}")
    if product.dtype.kind not in FLOATS:  # cut off, as in PyTorch
        beta, alpha = (np.asarray(n).astype(product.dtype).item() for n in (beta, alpha))
    x = shape.expand(input, product.shape)
    if alpha != 1:
        product = arithmetic.mul(product, alpha)
    if beta == 0:
        return product
    return arithmetic.add(x if beta == 1 else arithmetic.mul(x, beta), product)


@numbers_first("beta", "alpha")
def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Number = 1, alpha: Number = 1
) -> Tensor:
    """`beta * input + alpha * mat1 @ mat2`, input broadcast.

    Shape: mat1 (n, k), mat2 (k, m) -> (n, m).

    Example:
        >>> x, y = npnet.tensor([[1, 2], [3, 4]]), npnet.tensor([[1, 0], [0, 1]])
        >>> npnet.addmm(npnet.tensor([1, 2]), x, y, beta=10)
        tensor([[11, 22],
                [13, 24]])
    """
    return _plus("addmm", input, mm(mat1, mat2), beta, alpha)


@numbers_first("beta", "alpha")
def addmv(
    input: Tensor, mat: Tensor, vec: Tensor, *, beta: Number = 1, alpha: Number = 1
) -> Tensor:
    """`beta * input + alpha * mat @ vec`, input broadcast.

    Shape: mat (n, k), vec (k,) -> (n,).

    Example:
        >>> npnet.addmv(npnet.tensor([1, 2]), npnet.tensor([[1, 2], [3, 4]]), npnet.tensor([1, 1]))
        tensor([4, 9])
    """
    return _plus("addmv", input, mv(mat, vec), beta, alpha)


@numbers_first("beta", "alpha")
def addr(
    input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Number = 1, alpha: Number = 1
) -> Tensor:
    """`beta * input + alpha * outer(vec1, vec2)`, input broadcast.

    Shape: vec1 (n,), vec2 (m,) -> (n, m).

    Example:
        >>> npnet.addr(npnet.zeros(2, 3), npnet.tensor([1.0, 2.0]), npnet.tensor([1.0, 2.0, 3.0]))
        tensor([[1., 2., 3.],
                [2., 4., 6.]])
    """
    if input.dtype.kind in "iu" and any(isinstance(n, float) for n in (beta, alpha)):
        raise RuntimeError(f"addr: beta and alpha must be whole for {input.dtype}")
    return _plus("addr", input, outer(vec1, vec2), beta, alpha)


@numbers_first("beta", "alpha")
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1
) -> Tensor:
    """`beta * input + alpha * bmm(batch1, batch2)`, input broadcast.

    Shape: batch1 (b, n, k), batch2 (b, k, m) -> (b, n, m).

    Example:
        >>> batch = npnet.eye(2).repeat(2, 1, 1)
        >>> npnet.baddbmm(npnet.tensor([1.0, 2.0]), batch, batch)[0]
        tensor([[2., 2.],
                [1., 3.]])
    """
    return _plus("baddbmm", input, bmm(batch1, batch2), beta, alpha)


@numbers_first("beta", "alpha")
def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1
) -> Tensor:
    """`beta * input + alpha * (the sum of all products of the batch)`, input broadcast.

    Shape: batch1 (b, n, k), batch2 (b, k, m) -> (n, m).

    Example:
        >>> batch = npnet.ones(3, 2, 2)
        >>> npnet.addbmm(npnet.zeros(2, 2), batch, batch)
        tensor([[6., 6.],
                [6., 6.]])
    """
    product = reduce.sum(bmm(batch1, batch2), 0, dtype=batch1.dtype)
    return _plus("addbmm", input, product, beta, alpha)


@numbers_first("value")
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """`input + value * tensor1 * tensor2`, broadcast.

    Shape: all three (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> x, y = npnet.tensor([2.0, 3.0]), npnet.tensor([4.0, 5.0])
        >>> npnet.addcmul(npnet.ones(2), x, y, value=0.5)
        tensor([5.0000, 8.5000])
    """
    return arithmetic.add(input, arithmetic.mul(tensor1, tensor2), alpha=value)


@numbers_first("value")
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """`input + value * tensor1 / tensor2`, broadcast.

    Shape: all three (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.
        RuntimeError: tensor1 and tensor2 are both of integers.

    Example:
        >>> x, y = npnet.tensor([1.0, 6.0]), npnet.tensor([2.0, 3.0])
        >>> npnet.addcdiv(npnet.zeros(2), x, y, value=10)
        tensor([ 5., 20.])
    """
    if all(x.dtype.kind not in FLOATS for x in (tensor1, tensor2)):
        raise RuntimeError("addcdiv: tensor1 and tensor2 must not both be integers; use floats")
    return arithmetic.add(input, arithmetic.div(tensor1, tensor2), alpha=value)
