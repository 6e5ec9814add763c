"""Tensors made from a shape: each function here makes an array, and `creates` a tensor of it.

Each takes PyTorch's options. Of those, `pin_memory` and `memory_format` change nothing on one CPU,
`layout` must be `strided`, and `out` is written into.
"""

from __future__ import annotations

import functools
import inspect
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt

from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS, is_bfloat16
from npnet.base.checks import ShapeError, check_count, check_number, kind_of, not_tensors
from npnet.base.layouts import check_layout, check_memory_format
from npnet.devices.cpu import check_device
from npnet.ops.dtypes import Number, get_default_dtype
from npnet.ops.out import write_out
from npnet.random import Generator, numpy_generator
from npnet.tape import Variable, result
from npnet.tensor import Tensor, as_tensor, tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "arange",
    "asarray",
    "empty",
    "empty_like",
    "empty_strided",
    "eye",
    "from_numpy",
    "frombuffer",
    "full",
    "full_like",
    "linspace",
    "logspace",
    "normal",
    "ones",
    "ones_like",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "scalar_tensor",
    "tril_indices",
    "triu_indices",
    "zeros",
    "zeros_like",
]

P = ParamSpec("P")
Size: TypeAlias = int | Sequence[int]
DType: TypeAlias = npt.DTypeLike | None


class Options(TypedDict, total=False):
    """What every factory takes besides its own arguments and dtype; see `creates`."""

    device: Any
    requires_grad: bool
    out: Any
    layout: Any
    pin_memory: Any
    memory_format: Any


class SizedOptions(Options, total=False):
    """The same of a factory that takes `*sizes`, which may be given as `size=` too."""

    size: Sequence[int]


_OPTIONS_SHOWN = (  # what `inspect.signature` tells besides a factory's own
    inspect.Parameter("device", inspect.Parameter.KEYWORD_ONLY, default=None, annotation="Any"),
    inspect.Parameter(
        "requires_grad", inspect.Parameter.KEYWORD_ONLY, default=False, annotation="bool"
    ),
    inspect.Parameter("options", inspect.Parameter.VAR_KEYWORD, annotation="Any"),
)


def creates(make: Callable[P, Array]) -> Callable[P, Tensor]:
    """The function that makes a tensor of the array that `make` gives, and takes all options.

    `make` declares them by `**options` and leaves them to this.

    Raises:
        TypeError: an option that there is not.
        NotImplementedError: another layout than `strided`.
    """
    op, signature = make.__name__, inspect.signature(make)
    is_like = op.endswith("_like")
    # `*size`, which `size=` may give too: mypy wants two names for the two.
    *own, _ = (
        parameter.replace(name="size") if parameter.name == "sizes" else parameter
        for parameter in signature.parameters.values()
    )
    names = {parameter.name for parameter in own}

    @functools.wraps(make)
    def create(
        *args: Any, device: Any = None, requires_grad: bool = False, **options: Any
    ) -> Tensor:
        out = _checked_options(op, options, names) if options else None
        if device is not None:
            check_device(device)
        if is_like and args and not isinstance(args[0], Variable):
            raise not_tensors(op, args[0])
        with np.errstate(all="ignore"):  # what is too large for the dtype is infinite
            values = make(*args, **options)
        y = result(values)
        if out is not None:
            return write_out(op, out, y)
        return y.requires_grad_() if requires_grad else y

    shown = signature.replace(parameters=[*own, *_OPTIONS_SHOWN], return_annotation="Tensor")
    create.__signature__ = shown  # type: ignore[attr-defined]  # `inspect` looks for it
    return create  # type: ignore[return-value]  # it takes what `make` declares


def _checked_options(op: str, options: dict[str, Any], names: set[str]) -> Tensor | None:
    """Take what is no argument of the factory's own off the options; of those, return `out`."""
    out = options.pop("out", None)
    for name in options.keys() - names:
        value = options.pop(name)
        if name == "layout":
            check_layout(op, value)
        elif name == "memory_format":
            check_memory_format(op, value)
        elif name != "pin_memory":
            raise TypeError(f"{op}() got an unexpected keyword argument '{name}'")
    return out


def _shape(op: str, sizes: tuple[Size, ...], options: Mapping[str, Any]) -> tuple[int, ...]:
    """`zeros(2, 3)`, `zeros((2, 3))` and `zeros(size=(2, 3))` alike."""
    given: Any = options.get("size", sizes)
    if len(given) == 1 and not hasattr(given[0], "__index__"):
        given = given[0]
    elif len(given) == 1 and isinstance(given[0], Tensor) and given[0].ndim:
        given = given[0].tolist()
    try:
        shape = tuple(operator.index(n) for n in given)
    except TypeError:
        raise TypeError(
            f"{op}: sizes must be whole numbers, got {given!r}; divide by //, and not by /"
        ) from None
    if min(shape, default=0) < 0:
        raise ShapeError(f"{op}: sizes must be >= 0, got {shape}")
    return shape


def from_numpy(ndarray: Array) -> Tensor:
    """A tensor on the memory of an ndarray.

    Example:
        >>> array = np.array([1.0, 2.0])
        >>> x = npnet.from_numpy(array)
        >>> array[0] = 9
        >>> x
        tensor([9., 2.], dtype=npnet.float64)
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: takes an ndarray, got {kind_of(ndarray)}")
    if ndarray.dtype.kind in "USOM":  # text, objects, dates
        raise TypeError(f"from_numpy: values must be numbers or bools, got {ndarray.dtype}")
    is_bfloat16(ndarray.dtype)  # ops look for it from now on
    return result(ndarray)


# ---- constants ---------------------------------------------------------------------------------


@creates
def full(
    size: Sequence[int], fill_value: Number, *, dtype: DType = None, **options: Unpack[Options]
) -> Array:
    """Every value the same; the dtype is that of the value, float32 for a float.

    Example:
        >>> npnet.full((2, 2), 7), npnet.full((2,), 0.5)
        (tensor([[7, 7],
                [7, 7]]), tensor([0.5000, 0.5000]))
    """
    kind = tensor(fill_value).dtype if dtype is None else dtype
    return np.full(_shape("full", (size,), {}), np.asarray(fill_value).astype(kind))


@creates
def zeros(*sizes: Size, dtype: DType = None, **options: Unpack[SizedOptions]) -> Array:
    """All 0; float32 by default.

    Example:
        >>> npnet.zeros(2, 3), npnet.zeros((2,), dtype=npnet.int64)
        (tensor([[0., 0., 0.],
                [0., 0., 0.]]), tensor([0, 0]))
    """
    return np.zeros(_shape("zeros", sizes, options), dtype or get_default_dtype())


@creates
def ones(*sizes: Size, dtype: DType = None, **options: Unpack[SizedOptions]) -> Array:
    """All 1; float32 by default.

    Example:
        >>> npnet.ones(2, 3)
        tensor([[1., 1., 1.],
                [1., 1., 1.]])
    """
    return np.ones(_shape("ones", sizes, options), dtype or get_default_dtype())


@creates
def empty(*sizes: Size, dtype: DType = None, **options: Unpack[SizedOptions]) -> Array:
    """Whatever the memory held; float32 by default.

    Example:
        >>> npnet.empty(2, 3).shape, npnet.empty((2, 3), dtype=npnet.int64).dtype
        ((2, 3), dtype('int64'))
    """
    return np.empty(_shape("empty", sizes, options), dtype or get_default_dtype())


@creates
def zeros_like(input: Tensor, *, dtype: DType = None, **options: Unpack[Options]) -> Array:
    """All 0, in the shape and dtype of another tensor.

    Example:
        >>> npnet.zeros_like(npnet.tensor([[1, 2]]))
        tensor([[0, 0]])
    """
    return np.zeros(input.shape, dtype or input.dtype)


@creates
def ones_like(input: Tensor, *, dtype: DType = None, **options: Unpack[Options]) -> Array:
    """All 1, in the shape and dtype of another tensor.

    Example:
        >>> npnet.ones_like(npnet.tensor([5, 6]))
        tensor([1, 1])
    """
    return np.ones(input.shape, dtype or input.dtype)


@creates
def empty_like(input: Tensor, *, dtype: DType = None, **options: Unpack[Options]) -> Array:
    """Whatever the memory held, in the shape and dtype of another tensor.

    Example:
        >>> npnet.empty_like(npnet.tensor([[1, 2, 3]])).shape
        (1, 3)
    """
    return np.empty(input.shape, dtype or input.dtype)


@creates
def full_like(
    input: Tensor, fill_value: Number, *, dtype: DType = None, **options: Unpack[Options]
) -> Array:
    """Every value the same, in the shape and dtype of another tensor.

    Example:
        >>> npnet.full_like(npnet.tensor([1, 2, 3]), 7)
        tensor([7, 7, 7])
    """
    return np.full(input.shape, np.asarray(fill_value).astype(dtype or input.dtype))


@creates
def eye(n: int, m: int | None = None, *, dtype: DType = None, **options: Unpack[Options]) -> Array:
    """1 on the diagonal of (n, m), 0 elsewhere.

    Example:
        >>> npnet.eye(2, 3)
        tensor([[1., 0., 0.],
                [0., 1., 0.]])
    """
    rows, columns = _shape("eye", (n, n if m is None else m), {})
    return np.eye(rows, columns, dtype=dtype or get_default_dtype())


def scalar_tensor(s: Number, *, dtype: DType = None, **options: Any) -> Tensor:
    """One number, of no axes; by default in the default dtype.

    Example:
        >>> npnet.scalar_tensor(3)
        tensor(3.)
    """
    return full((), s, dtype=dtype or get_default_dtype(), **options)


@creates
def empty_strided(
    size: Sequence[int],
    stride: Sequence[int],
    *,
    dtype: DType = None,
    **options: Unpack[Options],
) -> Array:
    """Whatever the memory held, with values so many further along each axis.

    Example:
        >>> npnet.empty_strided((2, 3), (1, 2)).stride()
        (1, 2)
    """
    if len(size) != len(stride) or min([*size, *stride], default=0) < 0:
        raise RuntimeError(f"empty_strided: sizes and strides must fit: {size} and {stride}")
    kind = np.dtype(dtype or get_default_dtype())
    last = sum((n - 1) * s for n, s in zip(size, stride, strict=True)) if math.prod(size) else -1
    steps = [s * kind.itemsize for s in stride]
    return np.lib.stride_tricks.as_strided(np.empty(last + 1, kind), tuple(size), steps)


@creates
def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: DType = None, **options: Unpack[Options]
) -> Array:
    """The rows and the columns of a lower triangle: (2, count).

    Example:
        >>> npnet.tril_indices(2, 2)
        tensor([[0, 1, 1],
                [0, 0, 1]])
    """
    _shape("tril_indices", (row, col), {})
    return np.stack(np.tril_indices(row, offset, col)).astype(dtype or np.int64)


@creates
def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: DType = None, **options: Unpack[Options]
) -> Array:
    """The rows and the columns of an upper triangle: (2, count).

    Example:
        >>> npnet.triu_indices(2, 2)
        tensor([[0, 0, 1],
                [0, 1, 1]])
    """
    _shape("triu_indices", (row, col), {})
    return np.stack(np.triu_indices(row, offset, col)).astype(dtype or np.int64)


def asarray(
    obj: Any,
    *,
    dtype: DType = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of a tensor, an ndarray, a buffer or numbers, on its memory where that is possible.

    Args:
        copy: True always copies; False raises ValueError where sharing is not possible.

    Example:
        >>> array = np.array([1, 2])
        >>> shared, copied = npnet.asarray(array), npnet.asarray(array, copy=True)
        >>> array[0] = 9
        >>> shared, copied
        (tensor([9, 2]), tensor([1, 2]))
    """
    if isinstance(obj, (bytes, bytearray, memoryview)):
        obj = np.frombuffer(obj, dtype or get_default_dtype())
    y = as_tensor(obj, dtype, device)
    shares = isinstance(obj, (Tensor, np.ndarray)) and y.dtype == obj.dtype
    if copy is False and not shares:
        raise ValueError("asarray: the memory can't be shared, and copy is False")
    if copy and shares:
        y = tensor(y.detach())
    return y.requires_grad_() if requires_grad else y


def frombuffer(
    buffer: Any,
    *,
    dtype: npt.DTypeLike,
    count: int = -1,
    offset: int = 0,
    requires_grad: bool = False,
) -> Tensor:
    """A vector on the memory of a buffer, from `offset` bytes on.

    Example:
        >>> npnet.frombuffer(bytearray([1, 2, 3]), dtype=npnet.uint8, offset=1)
        tensor([2, 3], dtype=npnet.uint8)
    """
    y = result(np.frombuffer(buffer, dtype, count, offset))
    return y.requires_grad_() if requires_grad else y


# ---- sequences ---------------------------------------------------------------------------------


@creates
def arange(
    start: Number = 0,
    end: Number | None = None,
    step: Number = 1,
    *,
    dtype: DType = None,
    **options: Unpack[Options],
) -> Array:
    """start, start + step, ... below end; `arange(end)` starts at 0. Floats give float32.

    Example:
        >>> npnet.arange(5), npnet.arange(1, 2, 0.25)
        (tensor([0, 1, 2, 3, 4]), tensor([1.0000, 1.2500, 1.5000, 1.7500]))
    """
    bounds = (0, start, step) if end is None else (start, end, step)
    first, last, by = (x.item() if isinstance(x, Tensor) else x for x in bounds)
    if not all(map(math.isfinite, (first, last, by))) or by == 0 or (last - first) * by < 0:
        raise RuntimeError(f"arange: step {by} does not lead from {first} to {last}")
    whole = all(isinstance(v, int) for v in (first, last, by))
    kind = np.dtype(dtype or (np.int64 if whole else get_default_dtype()))
    if kind == np.int64:  # cut off first, as in PyTorch
        return np.arange(*(int(v) for v in (first, last, by)))
    count = math.ceil((last - first) / by)
    if kind.kind in "iu":
        first, by = int(first), int(by)
    return np.asarray(first + by * np.arange(count)).astype(kind)


@creates
def linspace(
    start: Number, end: Number, steps: int, *, dtype: DType = None, **options: Unpack[Options]
) -> Array:
    """`steps` values, evenly from start to end, both included.

    Example:
        >>> npnet.linspace(0, 1, 5)
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    kind = np.dtype(dtype or get_default_dtype())
    return _spaced("linspace", start, end, steps, kind).astype(kind)


def _spaced(op: str, start: Number, end: Number, steps: int, kind: np.dtype[Any]) -> Array:
    """Values evenly from start to end in float64, the second half counted from the end."""
    for bound in (start, end):
        if isinstance(bound, Tensor) and bound.ndim:
            raise RuntimeError(f"{op}: bounds must be numbers, got a tensor of {bound.shape}")
    check_count(op, "steps", steps, least=0)
    first, last = ((int if kind.kind in "iu" else float)(x) for x in (start, end))
    if steps == 1:
        return np.array([first], np.float64)
    step, i = (last - first) / max(steps - 1, 1), np.arange(steps)
    return np.where(i < steps // 2, first + step * i, last - step * (steps - 1 - i))


@creates
def logspace(
    start: Number,
    end: Number,
    steps: int,
    base: float = 10.0,
    *,
    dtype: DType = None,
    **options: Unpack[Options],
) -> Array:
    """`base` to the powers of `steps` numbers, evenly from start to end.

    Example:
        >>> npnet.logspace(0, 1, 3), npnet.logspace(-1, 1, 3, base=2)
        (tensor([ 1.0000,  3.1623, 10.0000]), tensor([0.5000, 1.0000, 2.0000]))
    """
    kind = np.dtype(dtype or get_default_dtype())
    return (float(base) ** _spaced("logspace", start, end, steps, kind)).astype(kind)


# ---- random numbers ----------------------------------------------------------------------------


def _uniform(shape: tuple[int, ...], dtype: DType, generator: Generator | None) -> Array:
    kind, drawn = _float_dtypes("rand", dtype)
    return numpy_generator(generator).random(shape, drawn).astype(kind, copy=False)


def _standard_normal(shape: tuple[int, ...], dtype: DType, generator: Generator | None) -> Array:
    kind, drawn = _float_dtypes("randn", dtype)
    return numpy_generator(generator).standard_normal(shape, drawn).astype(kind, copy=False)


def _float_dtypes(op: str, dtype: DType) -> tuple[Any, Any]:
    """The dtype of random floats, and in which NumPy draws them: float32 or float64."""
    kind = np.dtype(get_default_dtype() if dtype is None else dtype)
    if kind.kind not in FLOATS:
        raise NotImplementedError(f"{op}: dtype must be floating point, got {kind}")
    return kind, kind if kind.char in "fd" else np.float32


@creates
def rand(
    *sizes: Size,
    generator: Generator | None = None,
    dtype: DType = None,
    **options: Unpack[SizedOptions],
) -> Array:
    """Drawn evenly from [0, 1).

    Example:
        >>> x = npnet.rand(2, 3)
        >>> x.shape, bool(x.min() >= 0), bool(x.max() < 1)
        ((2, 3), True, True)
    """
    return _uniform(_shape("rand", sizes, options), dtype, generator)


@creates
def randn(
    *sizes: Size,
    generator: Generator | None = None,
    dtype: DType = None,
    **options: Unpack[SizedOptions],
) -> Array:
    """Drawn from the normal distribution of mean 0 and std 1.

    Example:
        >>> npnet.randn(2, 3).shape
        (2, 3)
    """
    return _standard_normal(_shape("randn", sizes, options), dtype, generator)


@creates
def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: DType = None,
    **options: Unpack[Options],
) -> Array:
    """Drawn evenly from [0, 1), in the shape and dtype of another tensor.

    Example:
        >>> npnet.rand_like(npnet.zeros(2, 3, dtype=npnet.float64)).dtype
        dtype('float64')
    """
    return _uniform(input.shape, dtype or input.dtype, generator)


@creates
def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: DType = None,
    **options: Unpack[Options],
) -> Array:
    """Drawn from the normal distribution, in the shape and dtype of another tensor.

    Example:
        >>> npnet.randn_like(npnet.zeros(2, 3)).shape
        (2, 3)
    """
    return _standard_normal(input.shape, dtype or input.dtype, generator)


@creates
def normal(
    mean: float | Tensor,
    std: float | Tensor = 1.0,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    dtype: DType = None,
    **options: Unpack[Options],
) -> Array:
    """Drawn from normal distributions: of two numbers in a size, or of tensors, value by value.

    Example:
        >>> npnet.normal(0.0, 1.0, (2, 3)).shape, npnet.normal(npnet.tensor([1.0, 2.0]), 0.0)
        ((2, 3), tensor([1., 2.]))
    """
    tensors = [x for x in (mean, std) if isinstance(x, Tensor)]
    if bool(tensors) == (size is not None):
        raise TypeError("normal: takes a size with two numbers, and none with tensors")
    means, stds = (x.array if isinstance(x, Tensor) else x for x in (mean, std))
    if np.min(stds, initial=0) < 0:
        raise RuntimeError("normal: std must be >= 0")
    shape = None if size is None else _shape("normal", (size,), {})
    kind = dtype or (tensors[0].dtype if tensors else get_default_dtype())
    return np.asarray(numpy_generator(generator).normal(means, stds, shape), kind)


@creates
def randint(
    low: int | None = None,
    high: int | Sequence[int] | None = None,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    dtype: DType = None,
    **options: Unpack[Options],
) -> Array:
    """Integers drawn evenly from [low, high); `randint(high, size)` starts at 0.

    Example:
        >>> npnet.randint(3, (2, 2)).dtype, npnet.randint(5, 6, (4,))
        (dtype('int64'), tensor([5, 5, 5, 5]))
    """
    first, last, sizes = (low, high, size)
    if low is None:
        first = 0
    elif high is None or isinstance(high, Sequence):
        first, last, sizes = 0, low, size if high is None else high
    if sizes is None:
        raise TypeError("randint: size is missing: randint(high, size) or (low, high, size)")
    if last is None:
        raise TypeError("randint: high is missing: randint(high, size) or (low, high, size)")
    bounds = (operator.index(first), operator.index(last))  # type: ignore[arg-type] # it checks
    if bounds[0] >= bounds[1]:
        raise RuntimeError(f"randint: low must be less than high, got {bounds[0]} and {bounds[1]}")
    values = numpy_generator(generator).integers(*bounds, _shape("randint", (sizes,), {}))
    return np.asarray(values, dtype or np.int64)


def randint_like(
    input: Tensor, low: int, high: int | None = None, *, dtype: DType = None, **options: Any
) -> Tensor:
    """Integers drawn evenly from [low, high), in the shape and dtype of another tensor.

    Example:
        >>> npnet.randint_like(npnet.zeros(3), 5, 6)
        tensor([5., 5., 5.])
    """
    bounds = (0, low) if high is None else (low, high)
    return randint(*bounds, input.shape, dtype=dtype or input.dtype, **options)


@creates
def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: DType = None,
    **options: Unpack[Options],
) -> Array:
    """The numbers from 0 to n - 1 in a random order.

    Example:
        >>> npnet.randperm(5).sort().values
        tensor([0, 1, 2, 3, 4])
    """
    check_number("randperm", "n", n, least=0)
    return np.asarray(numpy_generator(generator).permutation(n), dtype or np.int64)
