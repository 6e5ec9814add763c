"""Tensors made from a shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet._device import device as Device
from npnet.random import Generator, numpy_generator
from npnet.tensor import Array, Number, Tensor, tensor

__all__ = [
    "arange",
    "empty",
    "eye",
    "from_numpy",
    "full",
    "linspace",
    "ones",
    "ones_like",
    "rand",
    "randint",
    "randn",
    "randperm",
    "zeros",
    "zeros_like",
]

Size: TypeAlias = int | Sequence[int]


def _shape(size: tuple[Size, ...]) -> tuple[int, ...]:
    """`zeros(2, 3)` and `zeros((2, 3))` alike."""
    if len(size) == 1 and not isinstance(size[0], (int, np.integer)):
        return tuple(size[0])
    return tuple(size)  # type: ignore[arg-type]


def _tensor(values: Array, device: Any, requires_grad: bool) -> Tensor:
    Device(device or "cpu")
    return Tensor(values, requires_grad=requires_grad)


def from_numpy(ndarray: Array) -> Tensor:
    """A tensor on the memory of an ndarray."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: takes an ndarray, got {type(ndarray).__name__}")
    return Tensor(ndarray)


def full(
    size: Sequence[int],
    fill_value: Number,
    *,
    dtype: npt.DTypeLike | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Every value the same; the dtype is that of the value, float32 for a float."""
    kind = tensor(fill_value).dtype if dtype is None else dtype
    return _tensor(np.full(tuple(size), fill_value, kind), device, requires_grad)


def zeros(
    *size: Size,
    dtype: npt.DTypeLike = np.float32,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """All 0."""
    return _tensor(np.zeros(_shape(size), dtype), device, requires_grad)


def ones(
    *size: Size,
    dtype: npt.DTypeLike = np.float32,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """All 1."""
    return _tensor(np.ones(_shape(size), dtype), device, requires_grad)


def empty(
    *size: Size,
    dtype: npt.DTypeLike = np.float32,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Whatever the memory held."""
    return _tensor(np.empty(_shape(size), dtype), device, requires_grad)


def zeros_like(input: Tensor, *, dtype: npt.DTypeLike | None = None) -> Tensor:
    """All 0, in the shape and dtype of another tensor."""
    return Tensor(np.zeros_like(input.array, dtype))


def ones_like(input: Tensor, *, dtype: npt.DTypeLike | None = None) -> Tensor:
    """All 1, in the shape and dtype of another tensor."""
    return Tensor(np.ones_like(input.array, dtype))


def eye(n: int, m: int | None = None, *, dtype: npt.DTypeLike = np.float32) -> Tensor:
    """1 on the diagonal of (n, m), 0 elsewhere."""
    return Tensor(np.eye(n, m, dtype=dtype))


def arange(
    start: Number,
    end: Number | None = None,
    step: Number = 1,
    *,
    dtype: npt.DTypeLike | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... below end; `arange(end)` starts at 0. Floats give float32."""
    first, last = (0, start) if end is None else (start, end)
    if dtype is None and any(isinstance(v, float) for v in (first, last, step)):
        dtype = np.float32
    # In NumPy's own dtype first: NumPy adds up float32 steps, PyTorch multiplies.
    values: Array = np.arange(first, last, step)
    return _tensor(values if dtype is None else values.astype(dtype), device, requires_grad)


def linspace(
    start: Number, end: Number, steps: int, *, dtype: npt.DTypeLike = np.float32
) -> Tensor:
    """`steps` values, evenly from start to end, both included."""
    return Tensor(np.linspace(start, end, steps, dtype=dtype))


def rand(
    *size: Size,
    generator: Generator | None = None,
    dtype: npt.DTypeLike = np.float32,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Drawn evenly from [0, 1)."""
    values = numpy_generator(generator).random(_shape(size), np.dtype(dtype))  # type: ignore[arg-type]
    return _tensor(np.asarray(values), device, requires_grad)


def randn(
    *size: Size,
    generator: Generator | None = None,
    dtype: npt.DTypeLike = np.float32,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Drawn from the normal distribution of mean 0 and std 1."""
    values = numpy_generator(generator).standard_normal(_shape(size), np.dtype(dtype))  # type: ignore[arg-type]
    return _tensor(np.asarray(values), device, requires_grad)


def randint(
    low: int,
    high: int | Sequence[int],
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    dtype: npt.DTypeLike = np.int64,
) -> Tensor:
    """Integers drawn evenly from [low, high); `randint(high, size)` starts at 0."""
    if size is None:
        if isinstance(high, int):
            raise TypeError("randint: size is missing: randint(high, size) or (low, high, size)")
        return randint(0, low, high, generator=generator, dtype=dtype)
    draw = numpy_generator(generator).integers(low, high, tuple(size))
    return Tensor(np.asarray(draw, dtype))


def randperm(n: int, *, generator: Generator | None = None) -> Tensor:
    """The numbers from 0 to n - 1 in a random order."""
    return Tensor(numpy_generator(generator).permutation(n))
