"""Ops that move values and compute nothing: shape, order, repetition, joining, dtype."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS
from npnet.base.checks import ShapeError, not_tensors
from npnet.base.layouts import check_memory_format
from npnet.base.quiet import as_before, be_quiet
from npnet.ops import _sums
from npnet.ops.dtypes import result_type
from npnet.tape import Function, Layout, Variable, result, view_off_tape

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "broadcast_shapes",
    "cast",
    "cat",
    "clone",
    "expand",
    "flatten",
    "permute",
    "reshape",
    "squeeze",
    "stack",
    "summed_to",
    "t",
    "transpose",
    "unsqueeze",
    "view",
]


def broadcast_shapes(op: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that the shapes broadcast to. ShapeError, named after the op, if there is none."""
    if len(shapes) == 2:
        a, b = shapes
        if a == b or not b:
            return tuple(a)
        if not a:
            return tuple(b)
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(
            f"{op}: shapes {' and '.join(map(str, shapes))} do not broadcast: from the last axis "
            "backwards, sizes must be equal or 1"
        ) from None


def axis(op: str, dim: int, ndim: int) -> int:
    """`dim` counted from the front. IndexError if a tensor of `ndim` axes has none such."""
    if not -ndim <= dim < ndim:
        raise IndexError(f"{op}: dim must lie in [{-ndim}, {ndim - 1}], got {dim}")
    return dim % ndim


class Cast(Function):
    """Another dtype; the gradient is cast back."""

    as_stored = True

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype

    def forward(self, x: Array) -> Array:
        self.x_dtype = x.dtype
        return x.astype(self.dtype)

    def backward(self, gy: Array) -> tuple[Array]:
        return (gy.astype(self.x_dtype),)


def cast(input: Tensor, dtype: np.dtype[Any]) -> Tensor:
    """The values in another dtype; the tensor itself if it has that already.

    On the tape between floating point types only: an integer has no gradient.
    """
    if input.dtype == dtype:
        return input
    if dtype.kind not in FLOATS:
        before = be_quiet()  # NaN and infinity have no integer
        try:
            return result(input.array.astype(dtype))
        finally:
            as_before(before)
    return Cast(dtype)(input)


class Clone(Function):
    """gx = gy."""

    def forward(self, x: Array) -> Array:
        return x.copy(order="C")

    def backward(self, gy: Array) -> tuple[Array]:
        return (gy,)


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy on memory of its own; `memory_format` changes nothing.

    Shape: (...) -> the same.

    Example:
        >>> x = npnet.tensor([1, 2])
        >>> y = npnet.clone(x)
        >>> y[0] = 9
        >>> x, y
        (tensor([1, 2]), tensor([9, 2]))
    """
    if not isinstance(input, Variable):
        raise not_tensors("clone", input)
    check_memory_format("clone", memory_format)
    return Clone()(input)


class Reshape(Function):
    """The same values in another shape."""

    view = True

    def __init__(self, size: tuple[int, ...]) -> None:
        self.size = size

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        return x.reshape(self.size)

    def backward(self, gy: Array) -> tuple[Array]:
        return (gy.reshape(self.x_shape),)


def reshape(input: Tensor, shape: Sequence[int]) -> Tensor:
    """The values, in row-major order, in another shape; one size may be -1.

    On the same memory where that is possible.

    Shape: (...) -> shape.

    Raises:
        ShapeError: there are more or fewer values than the shape holds.

    Example:
        >>> npnet.reshape(npnet.arange(6), (2, -1))
        tensor([[0, 1, 2],
                [3, 4, 5]])
    """
    if not isinstance(input, Variable):
        raise not_tensors("reshape", input)
    size = _whole_size("reshape", input.shape, tuple(shape))
    if isinstance(input.values, Layout) and input.values.is_part:  # which has gaps
        input = clone(input)
    return _reshaped(input, size)


def view(input: Tensor, size: Sequence[int]) -> Tensor:
    """`reshape` on the same memory. RuntimeError where that would need a copy."""
    size = _whole_size("view", input.shape, tuple(size))
    values = input.values
    if isinstance(values, Layout) and not values.is_part:  # as good as row-major without gaps
        return Reshape(size)(input)
    if isinstance(values, np.ndarray) and values.flags.c_contiguous:
        return _reshaped(input, size)
    if not np.may_share_memory(input.array.reshape(size), input.array) and input.numel():
        raise RuntimeError(
            f"view: shape {input.shape} with its strides can't be seen as {tuple(size)} without a "
            "copy; use reshape() or contiguous() first"
        )
    return Reshape(size)(input)


def _reshaped(input: Tensor, size: tuple[int, ...]) -> Tensor:
    """The same values in a shape that they have room in."""
    values = input._values
    if type(values) is np.ndarray and values.flags.c_contiguous:
        y = view_off_tape(input, lambda x: x.reshape(size))
        if y is not None:
            return y
    return Reshape(size)(input)


def _whole_size(op: str, old: tuple[int, ...], new: tuple[int, ...]) -> tuple[int, ...]:
    """`new` with its -1 replaced."""
    if min(new, default=0) >= 0 and math.prod(old) == math.prod(new):
        return new
    count, known = math.prod(old), math.prod(n for n in new if n != -1)
    if new.count(-1) == 1 and known and count % known == 0:
        return tuple(count // known if n == -1 else n for n in new)
    if new.count(-1) or known != count or min(new, default=0) < 0:
        raise ShapeError(f"{op}: {count} values of shape {old} do not fit into {new}")
    return new


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from start_dim to end_dim made one.

    Shape: (..., n, ..., m, ...) -> (..., n * ... * m, ...).

    Raises:
        ValueError: start_dim comes after end_dim.
        IndexError: one of them is no axis.

    Example:
        >>> npnet.flatten(npnet.zeros(8, 16, 5, 5), 1).shape
        (8, 400)
    """
    if not isinstance(input, Variable):
        raise not_tensors("flatten", input)
    if input.ndim == 0:
        return reshape(input, (1,))
    first, last = (axis("flatten", d, input.ndim) for d in (start_dim, end_dim))
    if first > last:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    size = input.shape
    return reshape(input, (*size[:first], math.prod(size[first : last + 1]), *size[last + 1 :]))


class Permute(Function):
    """The axes in another order; backward puts them back."""

    view = True

    def __init__(self, dims: tuple[int, ...]) -> None:
        self.dims = dims

    def forward(self, x: Array) -> Array:
        return x.transpose(self.dims)

    def backward(self, gy: Array) -> tuple[Array]:
        return (gy.transpose(sorted(range(gy.ndim), key=self.dims.__getitem__)),)


def permute(input: Tensor, dims: Sequence[int]) -> Tensor:
    """The axes in the order of `dims`.

    Shape: (a, b, c) -> (c, a, b) for dims (2, 0, 1).

    Raises:
        ShapeError: `dims` does not name each axis once.
        IndexError: one of them is no axis.

    Example:
        >>> npnet.permute(npnet.zeros(2, 3, 4), (2, 0, 1)).shape
        (4, 2, 3)
    """
    if not isinstance(input, Variable):
        raise not_tensors("permute", input)
    order = tuple(axis("permute", d, input.ndim) for d in dims)
    if sorted(order) != list(range(input.ndim)):
        raise ShapeError(f"permute: dims must name each of {input.ndim} axes once, got {dims}")
    return Permute(order)(input)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two axes exchanged.

    Shape: (..., n, ..., m, ...) -> (..., m, ..., n, ...).

    Raises:
        IndexError: one of the two is no axis.

    Example:
        >>> npnet.transpose(npnet.zeros(2, 3, 4), 0, 2).shape
        (4, 3, 2)
    """
    if not isinstance(input, Variable):
        raise not_tensors("transpose", input)
    order = list(range(input.ndim))
    a, b = (axis("transpose", d, max(input.ndim, 1)) for d in (dim0, dim1))
    if order:
        order[a], order[b] = order[b], order[a]
    return Permute(tuple(order))(input)


def t(input: Tensor) -> Tensor:
    """The transpose of a tensor of at most two axes.

    Shape: (n, m) -> (m, n); (n,) and () are kept.

    Raises:
        ShapeError: there are more than two axes.

    Example:
        >>> npnet.t(npnet.tensor([[1, 2, 3], [4, 5, 6]]))
        tensor([[1, 4],
                [2, 5],
                [3, 6]])
    """
    if not isinstance(input, Variable):
        raise not_tensors("t", input)
    if input.ndim > 2:
        raise ShapeError(f"t: input must have at most 2 axes, got {input.shape}; use transpose()")
    return Permute(tuple(range(input.ndim))[::-1])(input)


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A new axis of size 1 before `dim`.

    Shape: (..., ...) -> (..., 1, ...).

    Raises:
        IndexError: there is no place `dim` for an axis.

    Example:
        >>> npnet.unsqueeze(npnet.zeros(2, 3), 1).shape
        (2, 1, 3)
    """
    if not isinstance(input, Variable):
        raise not_tensors("unsqueeze", input)
    shape = input._values.shape
    at = axis("unsqueeze", dim, len(shape) + 1)
    return _reshaped(input, (*shape[:at], 1, *shape[at:]))


def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Axes of size 1 removed: all of them, or the named ones where they are of size 1.

    Shape: (..., 1, ...) -> (..., ...).

    Raises:
        IndexError: `dim` is no axis.

    Example:
        >>> x = npnet.zeros(1, 2, 1)
        >>> npnet.squeeze(x).shape, npnet.squeeze(x, 0).shape, npnet.squeeze(x, 1).shape
        ((2,), (2, 1), (1, 2, 1))
    """
    if not isinstance(input, Variable):
        raise not_tensors("squeeze", input)
    dims = range(input.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    named = {axis("squeeze", d, max(input.ndim, 1)) for d in dims}
    return Reshape(tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in named))(input)


def summed_to(g: Array, shape: tuple[int, ...]) -> Array:
    """g summed over the axes along which `shape` was broadcast."""
    if g.shape == shape:
        return g
    new = g.ndim - len(shape)  # negative where leading axes of size 1 were dropped
    repeated = tuple(
        i for i, n in enumerate(g.shape) if i < new or (shape[i - new] == 1 and n != 1)
    )
    return _sums.add_up(g, repeated).reshape(shape) if repeated else g.reshape(shape)


class Expand(Function):
    """Axes repeated without a copy; the gradient is summed over them."""

    view = True

    def __init__(self, size: tuple[int, ...]) -> None:
        self.size = size

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        return np.broadcast_to(x, self.size)

    def backward(self, gy: Array) -> tuple[Array]:
        return (summed_to(gy, self.x_shape),)


def expand(input: Tensor, size: Sequence[int]) -> Tensor:
    """Axes of size 1 repeated to `size`, new ones put in front; -1 keeps a size."""
    new = len(size) - input.ndim
    whole = tuple(input.shape[i - new] if n == -1 and i >= new else n for i, n in enumerate(size))
    if min(whole, default=0) < 0 or broadcast_shapes("expand", input.shape, whole) != whole:
        raise ShapeError(f"expand: shape {input.shape} does not expand to {tuple(size)}")
    return input if whole == input.shape else Expand(whole)(input)


class Cat(Function):
    """Arrays one after the other along an axis; the gradient is cut apart again."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, *xs: Array) -> Array:
        self.sizes = [x.shape[self.dim] for x in xs]
        return np.concatenate(xs, self.dim)

    def backward(self, gy: Array) -> tuple[Array, ...]:
        return tuple(np.split(gy, np.cumsum(self.sizes)[:-1], self.dim))


class Stack(Function):
    """Arrays of one shape along a new axis; each gets its part of the gradient."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, *xs: Array) -> Array:
        at = (*[slice(None)] * self.dim, None)
        return np.concatenate([x[at] for x in xs], self.dim)

    def backward(self, gy: Array) -> tuple[Array, ...]:
        return tuple(np.moveaxis(gy, self.dim, 0))


def _check_tensors(op: str, tensors: Any) -> None:
    """Raise TypeError unless these are tensors in a list or tuple."""
    if not isinstance(tensors, (list, tuple)):
        raise TypeError(f"{op}: takes a list or tuple of tensors, got {type(tensors).__name__}")
    for x in tensors:
        if not isinstance(x, Variable):
            raise not_tensors(op, x)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors one after the other along `dim`; all other sizes must be equal.

    Tensors of shape (0,) are skipped, as in PyTorch.

    Shape: (..., n1, ...), (..., n2, ...), ... -> (..., n1 + n2 + ..., ...).

    Raises:
        ShapeError: other sizes differ.
        ValueError: there is no tensor.
        IndexError: `dim` is no axis.

    Example:
        >>> x = npnet.tensor([[1, 2]])
        >>> npnet.cat([x, x]), npnet.cat([x, x], dim=1)
        (tensor([[1, 2],
                [1, 2]]), tensor([[1, 2, 1, 2]]))
    """
    _check_tensors("cat", tensors)
    parts = [x for x in tensors if x.shape != (0,)] or list(tensors[:1])
    if not parts:
        raise ValueError("cat: needs at least one tensor, got none")
    at = axis("cat", dim, parts[0].ndim)
    sizes = [x._values.shape for x in parts]
    rest = {(len(size), *size[:at], *size[at + 1 :]) for size in sizes}
    if len(rest) > 1:
        shapes = " ".join(str(x.shape) for x in parts)
        raise ShapeError(f"cat: sizes must be equal on all axes but {at}; got {shapes}")
    return Cat(at)(*_of_one_dtype(parts, tensors))


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape along a new axis before `dim`.

    Shape: k tensors (a, b, ...) -> (k, a, b, ...) for dim 0.

    Raises:
        ShapeError: the shapes differ.
        ValueError: there is no tensor.
        IndexError: there is no place `dim` for an axis.

    Example:
        >>> npnet.stack([npnet.tensor([1, 2]), npnet.tensor([3, 4])], dim=1)
        tensor([[1, 3],
                [2, 4]])
    """
    _check_tensors("stack", tensors)
    if not tensors:
        raise ValueError("stack: needs at least one tensor, got none")
    if len({x._values.shape for x in tensors}) > 1:
        raise ShapeError(f"stack: shapes must be equal, got {[x.shape for x in tensors]}")
    return Stack(axis("stack", dim, tensors[0].ndim + 1))(*_of_one_dtype(tensors, tensors))


def _of_one_dtype(parts: Sequence[Tensor], tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """The parts in the dtype of an op on all of the tensors."""
    first = tensors[0]._values.dtype
    if all(x._values.dtype == first for x in tensors):
        return parts
    dtype = result_type(*tensors)
    return [cast(x, dtype) for x in parts]
