"""Ops that move values and compute nothing: shape, order, selection, padding, windows, dtype."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet._checks import ShapeError
from npnet.kernels import windows
from npnet.kernels.windows import Pair
from npnet.tensor import Array, Function, Number, Operand, Tensor

__all__ = [
    "broadcast_shapes",
    "cast",
    "cat",
    "clone",
    "expand",
    "flatten",
    "gather",
    "get_item",
    "one_hot",
    "pad",
    "permute",
    "reshape",
    "set_item",
    "squeeze",
    "stack",
    "t",
    "transpose",
    "unfold",
    "unsqueeze",
    "view",
]


def broadcast_shapes(op: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that the shapes broadcast to. ShapeError, named after the op, if there is none."""
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
    if dtype.kind != "f":
        return Tensor(input.array.astype(dtype))
    return Cast(dtype)(input)


class Clone(Function):
    """gx = gy."""

    def forward(self, x: Array) -> Array:
        return x.copy(order="C")

    def backward(self, gy: Array) -> tuple[Array]:
        return (gy,)


def clone(input: Tensor) -> Tensor:
    """A copy on memory of its own."""
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

    On the same memory where that is possible. ShapeError if the counts differ.
    """
    return Reshape(_whole_size("reshape", input.shape, tuple(shape)))(input)


def view(input: Tensor, size: Sequence[int]) -> Tensor:
    """`reshape` on the same memory. RuntimeError where that would need a copy."""
    size = _whole_size("view", input.shape, tuple(size))
    if not np.may_share_memory(input.array.reshape(size), input.array) and input.numel():
        raise RuntimeError(
            f"view: shape {input.shape} with its strides can't be seen as {tuple(size)} without a "
            "copy; use reshape() or contiguous() first"
        )
    return Reshape(size)(input)


def _whole_size(op: str, old: tuple[int, ...], new: tuple[int, ...]) -> tuple[int, ...]:
    """`new` with its -1 replaced."""
    count, known = math.prod(old), math.prod(n for n in new if n != -1)
    if new.count(-1) == 1 and known and count % known == 0:
        return tuple(count // known if n == -1 else n for n in new)
    if new.count(-1) or known != count or min(new, default=0) < 0:
        raise ShapeError(f"{op}: {count} values of shape {old} do not fit into {new}")
    return new


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from start_dim to end_dim made one."""
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
        return (gy.transpose(np.argsort(self.dims)),)


def permute(input: Tensor, dims: Sequence[int]) -> Tensor:
    """The axes in the order of `dims`."""
    order = tuple(axis("permute", d, input.ndim) for d in dims)
    if sorted(order) != list(range(input.ndim)):
        raise ShapeError(f"permute: dims must name each of {input.ndim} axes once, got {dims}")
    return Permute(order)(input)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two axes exchanged."""
    order = list(range(input.ndim))
    a, b = axis("transpose", dim0, input.ndim), axis("transpose", dim1, input.ndim)
    order[a], order[b] = order[b], order[a]
    return Permute(tuple(order))(input)


def t(input: Tensor) -> Tensor:
    """The transpose of a tensor of at most two axes."""
    if input.ndim > 2:
        raise ShapeError(f"t: input must have at most 2 axes, got {input.shape}; use transpose()")
    return permute(input, tuple(reversed(range(input.ndim))))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A new axis of size 1 before `dim`."""
    at = axis("unsqueeze", dim, input.ndim + 1)
    return Reshape((*input.shape[:at], 1, *input.shape[at:]))(input)


def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Axes of size 1 removed: all of them, or the named ones where they are of size 1."""
    dims = range(input.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    named = {axis("squeeze", d, input.ndim) for d in dims}
    return Reshape(tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in named))(input)


class Expand(Function):
    """Axes repeated without a copy; the gradient is summed over them."""

    view = True

    def __init__(self, size: tuple[int, ...]) -> None:
        self.size = size

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        return np.broadcast_to(x, self.size)

    def backward(self, gy: Array) -> tuple[Array]:
        new = gy.ndim - len(self.x_shape)
        repeated = tuple(
            i for i, n in enumerate(gy.shape) if i < new or (self.x_shape[i - new] == 1 != n)
        )
        return (gy.sum(repeated).reshape(self.x_shape),)


def expand(input: Tensor, size: Sequence[int]) -> Tensor:
    """Axes of size 1 repeated to `size`, new ones put in front; -1 keeps a size."""
    new = len(size) - input.ndim
    whole = tuple(input.shape[i - new] if n == -1 else n for i, n in enumerate(size))
    if broadcast_shapes("expand", input.shape, whole) != whole:
        raise ShapeError(f"expand: shape {input.shape} does not expand to {tuple(size)}")
    return input if whole == input.shape else Expand(whole)(input)


def _index(index: Any) -> Any:
    """An index of tensors, numbers and slices as NumPy takes it."""
    if isinstance(index, tuple):
        return tuple(_index(i) for i in index)
    return index.array if isinstance(index, Tensor) else index


class GetItem(Function):
    """y = x[index]; gx is gy added up where it came from."""

    view = True

    def __init__(self, index: Any) -> None:
        self.index = index

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        return np.asarray(x[self.index])

    def backward(self, gy: Array) -> tuple[Array]:
        gx = np.zeros(self.x_shape, gy.dtype)
        parts = self.index if isinstance(self.index, tuple) else (self.index,)
        if all(isinstance(i, (int, slice, type(None), type(...))) for i in parts):
            gx[self.index] = gy
        else:
            np.add.at(gx, self.index, gy)  # an index array may pick one place twice
        return (gx,)


def get_item(input: Tensor, index: Any) -> Tensor:
    """`input[index]`, with NumPy's and PyTorch's indexing: numbers, slices, masks, index tensors."""
    try:
        return GetItem(_index(index))(input)
    except IndexError as error:
        raise IndexError(f"x[index]: {error}; x has shape {input.shape}") from None


class SetItem(Function):
    """x with x[index] = value; gx is 0 there, gvalue what arrives there."""

    def __init__(self, index: Any) -> None:
        self.index = index

    def forward(self, x: Array, value: Array) -> Array:
        self.value_shape = value.shape
        y = x.copy()
        y[self.index] = value
        return y

    def backward(self, gy: Array) -> tuple[Array, Array]:
        gx = gy.copy()
        gx[self.index] = 0
        expanded = Expand(gy[self.index].shape)
        expanded.x_shape = self.value_shape
        return gx, expanded.backward(gy[self.index])[0]


def set_item(input: Tensor, index: Any, value: Operand) -> Tensor:
    """A copy of `input` in which `value`, broadcast, stands at `index`."""
    source = value if isinstance(value, Tensor) else Tensor(np.asarray(value, input.dtype))
    try:
        return SetItem(_index(index))(input, cast(source, input.dtype))
    except (IndexError, ValueError) as error:
        raise ShapeError(
            f"x[index] = value: {error}; x {input.shape}, value {source.shape}"
        ) from None


class Gather(Function):
    """y[..., i, ...] = x[..., index[..., i, ...], ...] along one axis."""

    def __init__(self, dim: int, index: Array) -> None:
        self.dim, self.index = dim, index

    def _places(self) -> tuple[Array, ...]:
        places = list(np.ogrid[tuple(slice(n) for n in self.index.shape)])
        places[self.dim] = self.index
        return tuple(places)

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        return np.asarray(x[self._places()])

    def backward(self, gy: Array) -> tuple[Array]:
        gx = np.zeros(self.x_shape, gy.dtype)
        np.add.at(gx, self._places(), gy)
        return (gx,)


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Values picked along `dim`: y[i][j] = input[index[i][j]][j] for dim 0.

    Shape: index has as many axes as input and, but for `dim`, no larger sizes; y is as index.
    """
    at = axis("gather", dim, input.ndim)
    if index.ndim != input.ndim:
        raise ShapeError(
            f"gather: index must have as many axes as input; got input {input.shape}, "
            f"index {index.shape}"
        )
    if index.numel() and not 0 <= index.array.min() <= index.array.max() < input.shape[at]:
        raise IndexError(
            f"gather: index must lie in [0, {input.shape[at] - 1}], got "
            f"{index.array.min()} to {index.array.max()}"
        )
    return Gather(at, index.array)(input)


class Cat(Function):
    """Arrays one after the other along an axis; the gradient is cut apart again."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, *xs: Array) -> Array:
        self.ends = np.cumsum([x.shape[self.dim] for x in xs])
        return np.concatenate(xs, self.dim)

    def backward(self, gy: Array) -> tuple[Array, ...]:
        return tuple(np.split(gy, self.ends[:-1], self.dim))


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors one after the other along `dim`; all other sizes must be equal."""
    if not tensors:
        raise ValueError("cat: needs at least one tensor, got none")
    at = axis("cat", dim, tensors[0].ndim)
    rest = {(x.ndim, *x.shape[:at], *x.shape[at + 1 :]) for x in tensors}
    if len(rest) > 1:
        shapes = " ".join(str(x.shape) for x in tensors)
        raise ShapeError(f"cat: sizes must be equal on all axes but {at}; got {shapes}")
    dtype = np.result_type(*(x.dtype for x in tensors))
    return Cat(at)(*(cast(x, dtype) for x in tensors))


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape along a new axis before `dim`."""
    if not tensors:
        raise ValueError("stack: needs at least one tensor, got none")
    if len({x.shape for x in tensors}) > 1:
        raise ShapeError(f"stack: shapes must be equal, got {[x.shape for x in tensors]}")
    return cat([unsqueeze(x, dim) for x in tensors], axis("stack", dim, tensors[0].ndim + 1))


# ---- padding and windows -----------------------------------------------------------------------


class Pad(Function):
    """Values put around; backward cuts a constant off and folds repeated values back."""

    def __init__(self, widths: tuple[Pair, ...], mode: str, value: Number) -> None:
        self.widths, self.mode, self.value = widths, mode, value

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        inner = x[tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in self._sizes(x.shape))]
        outer = [(max(a, 0), max(b, 0)) for a, b in self.widths]
        if self.mode == "constant":
            return np.pad(inner, outer, constant_values=self.value)
        return np.pad(inner, outer, self._numpy_mode())  # type: ignore[call-overload,no-any-return]

    def backward(self, gy: Array) -> tuple[Array]:
        # Each value of y is one of x, or a constant (-1): find out which, and add gy up there.
        source = np.arange(1, 1 + int(np.prod(self.x_shape))).reshape(self.x_shape)
        place = Pad(self.widths, self.mode, 0).forward(source) - 1
        kept = place >= 0
        gx = np.zeros(int(np.prod(self.x_shape)), gy.dtype)
        np.add.at(gx, place[kept], gy[kept])
        return (gx.reshape(self.x_shape),)

    def _sizes(self, shape: tuple[int, ...]) -> list[tuple[int, Pair]]:
        return list(zip(shape, self.widths, strict=True))

    def _numpy_mode(self) -> str:
        return {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[self.mode]


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: Number | None = None
) -> Tensor:
    """Values put before and after along the last axes.

    Args:
        pad: (before, after) for the last axis, then for the one before it, and so on; negative
            widths cut off.
        mode: "constant"; "reflect" (without the border), "replicate" or "circular" (a copy of
            what stands there).
        value: of the constant; default 0.
    """
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise ShapeError(f"pad: needs a pair for each of up to {input.ndim} axes, got {tuple(pad)}")
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise NotImplementedError(
            f"pad: mode must be constant, reflect, replicate or circular; got {mode!r}"
        )
    if mode != "constant" and value is not None:
        raise ValueError(f"pad: mode {mode!r} takes no value, got {value}")
    pairs = [(int(pad[i]), int(pad[i + 1])) for i in range(0, len(pad), 2)][::-1]
    widths = ((0, 0),) * (input.ndim - len(pairs)) + tuple(pairs)
    for size, (before, after) in zip(input.shape, widths, strict=True):
        most = {"constant": math.inf, "replicate": math.inf, "reflect": size - 1, "circular": size}
        if max(before, after) > most[mode] or size + before + after < 0:
            raise ShapeError(f"pad: {mode} padding {tuple(pad)} does not fit shape {input.shape}")
    return Pad(widths, mode, 0 if value is None else value)(input)


class Unfold(Function):
    """Windows as columns (im2col); the gradient is added up where they overlap (col2im)."""

    def __init__(self, window: windows.Window) -> None:
        self.window = window

    def forward(self, x: Array) -> Array:  # (N, C, H, W) -> (N, C*KH*KW, OH*OW)
        self.x_shape = x.shape
        columns = windows.im2col(x, self.window)  # (C, KH, KW, N, OH, OW)
        n, rows = x.shape[0], math.prod(columns.shape[:3])
        return columns.reshape(rows, n, -1).transpose(1, 0, 2).copy()

    def backward(self, gy: Array) -> tuple[Array]:
        n, c, h, w = self.x_shape
        oh, ow = self.window.output_size((h, w))
        columns = gy.transpose(1, 0, 2).reshape(c, *self.window.kernel, n, oh, ow)
        return (windows.col2im(columns, self.window, self.x_shape),)


def unfold(
    input: Tensor,
    kernel_size: int | Pair,
    dilation: int | Pair = 1,
    padding: int | Pair = 0,
    stride: int | Pair = 1,
) -> Tensor:
    """The windows of an image as columns: im2col.

    Shape: (N, C, H, W) -> (N, C*KH*KW, L), L = OH * OW windows in row-major order.
    """
    window = windows.Window.checked("unfold", input.shape, kernel_size, stride, padding, dilation)
    return Unfold(window)(input)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the class, 0 elsewhere: (...) int64 -> (..., num_classes) int64.

    Args:
        num_classes: -1 takes the largest class + 1.
    """
    classes = tensor.array
    if classes.dtype.kind not in "iu":
        raise TypeError(f"one_hot: classes must be integers, got {classes.dtype}")
    if classes.size == 0 and num_classes <= 0:
        raise RuntimeError("one_hot: num_classes must be given for an empty tensor")
    count = int(classes.max()) + 1 if num_classes == -1 else num_classes
    if classes.size and not 0 <= classes.min() <= classes.max() < count:
        raise RuntimeError(
            f"one_hot: classes must lie in [0, {count - 1}], got {classes.min()} to {classes.max()}"
        )
    return Tensor((classes[..., None] == np.arange(count)).astype(np.int64))
