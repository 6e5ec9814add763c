"""How a tensor prints: as PyTorch's does."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["tensor_repr"]

_DEFAULT_DTYPES = (np.dtype("float32"), np.dtype("int64"), np.dtype("bool"))


def tensor_repr(array: npt.NDArray[Any], grad_fn: object | None, requires_grad: bool) -> str:
    """`tensor([1., 2.])`, with the shape where it is empty, and the dtype where it is no default."""
    values = np.array2string(
        array, separator=", ", prefix="tensor(", precision=4, threshold=1000, floatmode="maxprec"
    )
    notes = []
    if array.size == 0 and array.ndim > 1:
        notes.append(f"size={array.shape}")
    if array.dtype not in _DEFAULT_DTYPES:
        notes.append(f"dtype=npnet.{array.dtype}")
    if grad_fn is not None:
        notes.append(f"grad_fn={grad_fn!r}")
    elif requires_grad:
        notes.append("requires_grad=True")
    return f"tensor({', '.join([values, *notes])})"
