"""Tensors made from a shape.

Each function takes PyTorch's options. Of those, `out`, `layout`, `pin_memory` and `memory_format`
are refused with a NotImplementedError unless they ask for what npnet does anyway.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.base.checks import ShapeError, check_number
from npnet.devices.cpu import device as Device
from npnet.random import Generator, numpy_generator
from npnet.tensor import Array, Number, Tensor, tensor

__all__ = [
    "arange",
    "empty",
    "empty_like",
    "eye",
    "from_numpy",
    "full",
    "full_like",
    "linspace",
    "normal",
    "ones",
    "ones_like",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "zeros",
    "zeros_like",
]

Size: TypeAlias = int | Sequence[int]
DType: TypeAlias = npt.DTypeLike | None

_REFUSED = ("out", "layout", "pin_memory", "memory_format")


def _refuse(op: str, options: dict[str, Any]) -> None:
    """Raise for options that npnet does not know, or does not support."""
    for name, value in options.items():
        if name not in _REFUSED:
            raise TypeError(f"{op}() got an unexpected keyword argument '{name}'")
        if value is not None and value is not False:
            raise NotImplementedError(f"{op}: {name} is not supported, got {value!r}")


def _shape(op: str, size: tuple[Size, ...], options: dict[str, Any]) -> tuple[int, ...]:
    """`zeros(2, 3)`, `zeros((2, 3))` and `zeros(size=(2, 3))` alike."""
    given: Any = options.pop("size", size)
    if len(given) == 1 and not hasattr(given[0], "__index__"):
        given = given[0]
    elif len(given) == 1 and isinstance(given[0], Tensor) and given[0].ndim:
        given = given[0].tolist()
    sizes = tuple(operator.index(n) for n in given)
    if min(sizes, default=0) < 0:
        raise ShapeError(f"{op}: sizes must be >= 0, got {sizes}")
    return sizes


@np.errstate(all="ignore")  # what is too large for the dtype is infinite
def _tensor(
    op: str, values: Any, dtype: DType, device: Any, requires_grad: bool, options: dict[str, Any]
) -> Tensor:
    _refuse(op, options)
    Device("cpu" if device is None else device)
    return Tensor(np.asarray(values, dtype), requires_grad=requires_grad)


def from_numpy(ndarray: Array) -> Tensor:
    """A tensor on the memory of an ndarray."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: takes an ndarray, got {type(ndarray).__name__}")
    return Tensor(ndarray)


@np.errstate(all="ignore")
def full(
    size: Sequence[int],
    fill_value: Number,
    *,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """Every value the same; the dtype is that of the value, float32 for a float."""
    kind = tensor(fill_value).dtype if dtype is None else dtype
    values = np.full(_shape("full", (size,), {}), fill_value, kind)
    return _tensor("full", values, None, device, requires_grad, options)


def zeros(
    *size: Size,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """All 0; float32 by default."""
    values = np.zeros(_shape("zeros", size, options), dtype or np.float32)
    return _tensor("zeros", values, None, device, requires_grad, options)


def ones(
    *size: Size,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """All 1; float32 by default."""
    values = np.ones(_shape("ones", size, options), dtype or np.float32)
    return _tensor("ones", values, None, device, requires_grad, options)


def empty(
    *size: Size,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """Whatever the memory held; float32 by default."""
    values = np.empty(_shape("empty", size, options), dtype or np.float32)
    return _tensor("empty", values, None, device, requires_grad, options)


def zeros_like(
    input: Tensor,
    *,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """All 0, in the shape and dtype of another tensor."""
    values = np.zeros(input.shape, dtype or input.dtype)
    return _tensor("zeros_like", values, None, device, requires_grad, options)


def ones_like(
    input: Tensor,
    *,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """All 1, in the shape and dtype of another tensor."""
    values = np.ones(input.shape, dtype or input.dtype)
    return _tensor("ones_like", values, None, device, requires_grad, options)


def empty_like(
    input: Tensor,
    *,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """Whatever the memory held, in the shape and dtype of another tensor."""
    values = np.empty(input.shape, dtype or input.dtype)
    return _tensor("empty_like", values, None, device, requires_grad, options)


@np.errstate(all="ignore")
def full_like(
    input: Tensor,
    fill_value: Number,
    *,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """Every value the same, in the shape and dtype of another tensor."""
    values = np.full(input.shape, fill_value, dtype or input.dtype)
    return _tensor("full_like", values, None, device, requires_grad, options)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """1 on the diagonal of (n, m), 0 elsewhere."""
    rows, columns = _shape("eye", (n, n if m is None else m), {})
    values = np.eye(rows, columns)
    return _tensor("eye", values, dtype or np.float32, device, requires_grad, options)


def arange(
    start: Number = 0,
    end: Number | None = None,
    step: Number = 1,
    *,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """start, start + step, ... below end; `arange(end)` starts at 0. Floats give float32."""
    bounds = (0, start, step) if end is None else (start, end, step)
    first, last, by = (x.item() if isinstance(x, Tensor) else x for x in bounds)
    if by == 0 or (last - first) * by < 0:
        raise RuntimeError(f"arange: step {by} does not lead from {first} to {last}")
    if dtype is None and any(isinstance(v, float) for v in (first, last, by)):
        dtype = np.float32
    # In NumPy's own dtype first: NumPy adds up float32 steps, PyTorch multiplies.
    return _tensor("arange", np.arange(first, last, by), dtype, device, requires_grad, options)


@np.errstate(all="ignore")
def linspace(
    start: Number,
    end: Number,
    steps: int,
    *,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """`steps` values, evenly from start to end, both included."""
    check_number("linspace", "steps", steps, least=0)
    values = np.linspace(start, end, steps)
    return _tensor("linspace", values, dtype or np.float32, device, requires_grad, options)


def _float_dtype(op: str, dtype: DType) -> Any:
    """The dtype of random floats, which NumPy draws in float32 or float64."""
    kind = np.dtype(np.float32 if dtype is None else dtype)
    if kind.char not in "fd":
        raise NotImplementedError(f"{op}: dtype must be float32 or float64, got {kind}")
    return kind


def rand(
    *size: Size,
    generator: Generator | None = None,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """Drawn evenly from [0, 1)."""
    kind = _float_dtype("rand", dtype)
    values = numpy_generator(generator).random(_shape("rand", size, options), kind)
    return _tensor("rand", values, kind, device, requires_grad, options)


def randn(
    *size: Size,
    generator: Generator | None = None,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """Drawn from the normal distribution of mean 0 and std 1."""
    kind = _float_dtype("randn", dtype)
    values = numpy_generator(generator).standard_normal(_shape("randn", size, options), kind)
    return _tensor("randn", values, kind, device, requires_grad, options)


def rand_like(
    input: Tensor,
    *,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """Drawn evenly from [0, 1), in the shape and dtype of another tensor."""
    kind = dtype or input.dtype
    return rand(input.shape, dtype=kind, device=device, requires_grad=requires_grad, **options)


def randn_like(
    input: Tensor,
    *,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """Drawn from the normal distribution, in the shape and dtype of another tensor."""
    kind = dtype or input.dtype
    return randn(input.shape, dtype=kind, device=device, requires_grad=requires_grad, **options)


@np.errstate(all="ignore")
def normal(
    mean: float | Tensor,
    std: float | Tensor = 1.0,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """Drawn from normal distributions: of two numbers in a size, or of tensors, value by value."""
    tensors = [x for x in (mean, std) if isinstance(x, Tensor)]
    if bool(tensors) == (size is not None):
        raise TypeError("normal: takes a size with two numbers, and none with tensors")
    means, stds = (x.array if isinstance(x, Tensor) else x for x in (mean, std))
    if np.min(stds, initial=0) < 0:
        raise RuntimeError("normal: std must be >= 0")
    shape = None if size is None else _shape("normal", (size,), {})
    kind = dtype or (tensors[0].dtype if tensors else np.float32)
    values = numpy_generator(generator).normal(means, stds, shape)
    return _tensor("normal", values, kind, device, requires_grad, options)


def randint(
    low: int,
    high: int | Sequence[int] | None = None,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """Integers drawn evenly from [low, high); `randint(high, size)` starts at 0."""
    first, last, sizes = (low, high, size)
    if high is None or isinstance(high, Sequence):
        first, last, sizes = 0, low, size if high is None else high
    if sizes is None:
        raise TypeError("randint: size is missing: randint(high, size) or (low, high, size)")
    bounds = (operator.index(first), operator.index(last))  # type: ignore[arg-type] # it checks
    if bounds[0] >= bounds[1]:
        raise RuntimeError(f"randint: low must be less than high, got {bounds[0]} and {bounds[1]}")
    values = numpy_generator(generator).integers(*bounds, _shape("randint", (sizes,), {}))
    return _tensor("randint", values, dtype or np.int64, device, requires_grad, options)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """The numbers from 0 to n - 1 in a random order."""
    check_number("randperm", "n", n, least=0)
    values = numpy_generator(generator).permutation(n)
    return _tensor("randperm", values, dtype or np.int64, device, requires_grad, options)
