"""Selection: indexing, writing at an index, gathering, one-hot codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.base.quiet import as_before, be_quiet
from npnet.ops import _sums
from npnet.ops.broadcasting import check_tensors
from npnet.ops.dtypes import Operand, wrapped
from npnet.ops.shape import axis, cast, reshape, summed_to
from npnet.tape import Function, Variable, result, view_off_tape

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["gather", "get_item", "one_hot", "set_item", "store"]


_ALL, _PLAIN_KINDS = slice(None), {int, slice}


class Place(NamedTuple):
    """An index in two stages, `x[slices][picks]`: first what gives a view, then index arrays.

    So numbers are gone before NumPy sees the arrays, beside which it would take them as arrays
    too and put the axes in another order than PyTorch.

    Attributes:
        slices: numbers, slices, None and `...`, which is always there: the result is a view.
        picks: arrays of places or masks, `:` between them; None where there are no arrays.
    """

    slices: tuple[Any, ...]
    picks: tuple[Any, ...] | None


def _place(index: Any) -> Place:
    """An index of tensors, numbers and slices in two stages."""
    if type(index) is int or type(index) is slice:  # as in the loops over a data set
        return Place((index, ...), None)
    parts = [_index_part(part) for part in (index if isinstance(index, tuple) else (index,))]
    if not {*map(type, parts)} - _PLAIN_KINDS:
        return Place((*parts, ...), None)
    slices: list[Any] = []
    picks: list[Any] = []
    for part in parts:
        if isinstance(part, np.ndarray):
            slices += [slice(None)] * (part.ndim if part.dtype == np.bool_ else 1)
            picks.append(part)
        else:
            slices.append(part)
            if not isinstance(part, int):
                picks.append(part if part is ... else slice(None))
    if not any(part is ... for part in slices):
        slices.append(...)
    arrays = any(isinstance(part, np.ndarray) for part in picks)
    return Place(tuple(slices), tuple(picks) if arrays else None)


def _index_part(part: Any) -> Any:
    """A number, slice, None or `...` as it is; all else as an array of places or a mask."""
    if part is None or part is ... or isinstance(part, slice):
        return part
    if isinstance(part, (int, np.integer)) and not isinstance(part, bool):
        return int(part)
    if isinstance(part, Variable):
        number = part.array
        if not number.ndim and number.dtype.kind in "iu":
            return int(number)
    if type(part) is range:
        return np.arange(part.start, part.stop, part.step)  # which NumPy would read one by one
    # A copy of a tensor: backward needs it as it is now.
    array = part.array.copy() if isinstance(part, Variable) else np.asarray(part)
    if array.dtype == np.uint8 and array.ndim:
        array = array.astype(bool)  # a mask, as in PyTorch's old programs
    if not array.size and not isinstance(part, Variable):
        array = array.astype(np.intp)  # an empty list
    return int(array) if not array.ndim and array.dtype.kind in "iu" else array


class GetItem(Function):
    """y = x[index]; gx is gy, and 0 where nothing was taken."""

    view = True

    def __init__(self, slices: tuple[Any, ...]) -> None:
        self.slices = slices

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        return x[self.slices]

    def backward(self, gy: Array) -> tuple[Array]:
        gx = np.zeros(self.x_shape, gy.dtype)
        gx[self.slices] = gy
        return (gx,)


class Pick(Function):
    """y = x[index] with arrays in the index; gx is gy added up where it came from."""

    def __init__(self, picks: tuple[Any, ...]) -> None:
        self.picks = picks

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        return x[self.picks]

    def backward(self, gy: Array) -> tuple[Array]:
        return (_sums.add_at(self.x_shape, self.picks, gy),)


def get_item(input: Tensor, index: Any) -> Tensor:
    """`input[index]`, as in PyTorch: numbers, slices, None, `...`, masks, index tensors."""
    try:
        slices, picks = _place(index)
        if picks is None:
            y = view_off_tape(input, lambda x: x[slices])
            return GetItem(slices)(input) if y is None else y
        whole = all(part is ... or part == _ALL for part in slices)
        return Pick(picks)(input if whole else GetItem(slices)(input))
    except IndexError as error:
        raise IndexError(f"x[index]: {error}; x has shape {input.shape}") from None


def _put(x: Array, place: Place, value: Any) -> None:
    """`x[index] = value` of arrays."""
    part = x[place.slices]
    part[... if place.picks is None else place.picks] = value


class SetItem(Function):
    """x with x[index] = value; gx is 0 there, gvalue what arrives there."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def forward(self, x: Array, value: Array) -> Array:
        self.value_shape = value.shape
        y = x.copy()
        _put(y, self.place, value)
        return y

    def backward(self, gy: Array) -> tuple[Array, Array]:
        slices, picks = self.place
        gvalue = gy[slices] if picks is None else gy[slices][picks]
        gx = gy.copy()
        _put(gx, self.place, 0)
        return gx, summed_to(gvalue, self.value_shape)


def set_item(input: Tensor, index: Any, value: Operand) -> Tensor:
    """A copy of `input` in which `value`, broadcast, stands at `index`."""
    with np.errstate(all="ignore"):  # 1e300 is infinite in float32
        source = value if isinstance(value, Variable) else result(np.asarray(value, input.dtype))
    try:
        return SetItem(_place(index))(input, cast(source, input.dtype))
    except (IndexError, ValueError) as error:
        raise _assignment_error(error, input.shape, source.shape) from None


def store(x: Array, index: Any, value: Operand) -> None:
    """`x[index] = value` in the memory of an array, off the tape."""
    source = value.array if isinstance(value, Variable) else value
    try:
        before = be_quiet()  # NaN into integers, 1e300 into float32
        try:
            _put(x, _place(index), source)
        except OverflowError:
            _put(x, _place(index), wrapped(source, x.dtype))
        finally:
            as_before(before)
    except (IndexError, ValueError) as error:
        raise _assignment_error(error, x.shape, np.shape(source)) from None


def _assignment_error(
    error: Exception, x: tuple[int, ...], value: tuple[int, ...]
) -> IndexError | ShapeError:
    kind = IndexError if isinstance(error, IndexError) else ShapeError
    return kind(f"x[index] = value: {error}; x has shape {x}, value {value}")


class Gather(Function):
    """y[..., i, ...] = x[..., index[..., i, ...], ...] along one axis."""

    def __init__(self, dim: int, index: Array) -> None:
        self.dim, self.index = dim, index

    def _places(self) -> tuple[Array, ...]:
        ndim = self.index.ndim
        places = [
            np.arange(n).reshape(-1, *[1] * (ndim - 1 - d)) for d, n in enumerate(self.index.shape)
        ]
        places[self.dim] = self.index
        return tuple(places)

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        return np.asarray(x[self._places()])

    def backward(self, gy: Array) -> tuple[Array]:
        return (_sums.add_at(self.x_shape, self._places(), gy),)


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Values picked along `dim`: y[i][j] = input[index[i][j]][j] for dim 0.

    Shape: index has as many axes as input and, but for `dim`, no larger sizes; y is as index.

    Raises:
        IndexError: an index is no position along `dim`; negative ones do not count from the end.
        ShapeError: the index has other axes, or larger ones.
        RuntimeError: the index is not of integers.

    Example:
        >>> x = npnet.tensor([[1, 2], [3, 4]])
        >>> npnet.gather(x, 1, npnet.tensor([[0, 0], [1, 0]]))
        tensor([[1, 1],
                [4, 3]])
    """
    at = axis("gather", dim, max(input.ndim, 1))
    if not index.numel():
        return reshape(reshape(input, (-1,))[:0], index.shape)
    if index.dtype.kind != "i":
        raise RuntimeError(f"gather: index must be integers, got {index.dtype}")
    if max(index.ndim, 1) != max(input.ndim, 1):
        raise ShapeError(
            f"gather: index must have as many axes as input; got input {input.shape}, "
            f"index {index.shape}"
        )
    if any(
        i > n for d, (i, n) in enumerate(zip(index.shape, input.shape, strict=False)) if d != at
    ):
        raise ShapeError(
            f"gather: index must be no larger than input but along dim {at}; got input "
            f"{input.shape}, index {index.shape}"
        )
    size = input.shape[at] if input.ndim else 1
    first, last = index.array.min(), index.array.max()
    if not 0 <= first <= last < size:
        raise IndexError(f"gather: index must lie in [0, {size - 1}], got {first} to {last}")
    if not input.ndim or not index.ndim:  # as if they had one axis
        y = Gather(0, index.array.reshape(-1).copy())(reshape(input, (-1,)))
        return reshape(y, index.shape)
    return Gather(at, index.array.copy())(input)  # a copy: backward needs it as it is now


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the class, 0 elsewhere: (...) int64 -> (..., num_classes) int64.

    Args:
        num_classes: -1 takes the largest class + 1.

    Shape: (...) -> (..., num_classes).

    Raises:
        RuntimeError: a class is negative, or not less than `num_classes`.
        TypeError: the classes are not integers.

    Example:
        >>> F.one_hot(npnet.tensor([2, 0]))
        tensor([[0, 0, 1],
                [1, 0, 0]])
    """
    check_tensors("one_hot", tensor)
    classes = tensor.array
    if classes.dtype.kind not in "iu":
        raise TypeError(f"one_hot: classes must be integers, got {classes.dtype}")
    if num_classes < -1 or num_classes == 0:
        raise RuntimeError(f"one_hot: num_classes must be positive, or -1, got {num_classes}")
    if classes.size == 0 and num_classes <= 0:
        raise RuntimeError("one_hot: num_classes must be given for an empty tensor")
    count = int(classes.max()) + 1 if num_classes == -1 else num_classes
    if classes.size and not 0 <= classes.min() <= classes.max() < count:
        raise RuntimeError(
            f"one_hot: classes must lie in [0, {count - 1}], got {classes.min()} to {classes.max()}"
        )
    return result((classes[..., None] == np.arange(count)).astype(np.int64))
