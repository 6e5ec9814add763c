"""What can be wrong with an array that a kernel is handed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.kernels.guarded import Array, Guard

LAYOUT = "layout"  # the values are right, the memory lies otherwise
KIND = "kind"  # another dtype, or no array
SHAPE = "shape"
OFF = "off a cache line"  # the one layout that every kernel takes

Fault = tuple[str, str, int | None, Any]  # kind, name, the axis of a shape, the wrong thing


def of(array: Array, guard: Guard) -> Iterator[Fault]:
    """Everything that can be wrong with one array, one at a time."""
    for kind, name, axis, wrong in (*_layouts(array, guard), *_kinds(array, guard)):
        if not (isinstance(wrong, np.ndarray) and _is_plain(wrong, array)):
            yield kind, name, axis, wrong
    yield LAYOUT, OFF, None, guard.like(array, array.itemsize)
    yield from _shapes(array, guard)


def _is_plain(wrong: Array, array: Array) -> bool:
    """Whether nothing is wrong, as where there is one element alone, or bytes have no order."""
    return wrong.flags.carray and wrong.dtype == array.dtype and wrong.shape == array.shape


def _layouts(array: Array, guard: Guard) -> Iterator[Fault]:
    if array.ndim and array.shape[-1]:
        wide = guard.empty((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        wide[..., ::2] = array
        yield LAYOUT, "strided", None, wide[..., ::2]
        backwards = guard.like(np.ascontiguousarray(array[..., ::-1]))
        yield LAYOUT, "negative strides", None, backwards[..., ::-1]
    if array.ndim > 1:
        turned = guard.like(np.ascontiguousarray(array.T))
        yield LAYOUT, "column-major", None, turned.T
    fixed = guard.like(array)
    fixed.setflags(write=False)
    yield LAYOUT, "read-only", None, fixed
    swapped = guard.empty(array.shape, array.dtype.newbyteorder())
    swapped[...] = array
    yield LAYOUT, "swapped bytes", None, swapped
    for off in (1, 2):
        yield LAYOUT, f"misaligned by {off}", None, guard.like(array, off)


def _kinds(array: Array, guard: Guard) -> Iterator[Fault]:
    for dtype in (np.float64, np.float32, np.float16, np.int32, np.int64, np.uint8, np.bool_):
        other = guard.empty(array.shape, dtype)
        with np.errstate(all="ignore"):  # whatever it is, it is of the wrong type
            other[...] = array.astype(dtype)
        yield KIND, np.dtype(dtype).name, None, other
    yield KIND, "complex64", None, array.astype(np.complex64)
    yield KIND, "objects", None, array.astype(object)
    yield KIND, "a list", None, array.tolist()
    yield KIND, "a number", None, 1.0
    yield KIND, "a string", None, "x"
    yield KIND, "None", None, None
    yield KIND, "a memoryview", None, memoryview(array)


def _shapes(array: Array, guard: Guard) -> Iterator[Fault]:
    def made(shape: tuple[int, ...]) -> Array:
        return guard.like(np.resize(array, shape))

    for axis, size in enumerate(array.shape):
        for other in (size - 1, size + 1, 2 * size, size + 40):
            if other >= 1 and other != size:
                shape = (*array.shape[:axis], other, *array.shape[axis + 1 :])
                yield SHAPE, f"axis {axis} of {other}", axis, made(shape)
        none = (*array.shape[:axis], 0, *array.shape[axis + 1 :])
        if size:
            yield SHAPE, f"axis {axis} empty", axis, made(none)
    if array.ndim:
        yield SHAPE, "without the first axis", -1, made(array.shape[1:])
        yield SHAPE, "without the last axis", -1, made(array.shape[:-1])
        yield SHAPE, "flat", -1, made((array.size,)) if array.ndim > 1 else made((array.size, 1))
    yield SHAPE, "an axis more", -1, made((1, *array.shape))
