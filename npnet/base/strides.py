"""Where the values of one array stand in another on the same memory."""

from __future__ import annotations

import numpy as np

from npnet.base.arrays import Array

__all__ = ["places"]


def _offsets(array: Array) -> Array:
    """The address of each value, in bytes from that of the first, in the array's shape."""
    axes = zip(array.shape, array.strides, strict=True)
    steps = np.ix_(*(np.arange(n) * stride for n, stride in axes))
    return np.broadcast_to(sum(steps, np.zeros((), np.intp)), array.shape)


def places(view: Array, base: Array) -> Array:
    """Where in `base`, flattened in row-major order, each value of a view on its memory stands."""
    first = view.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    known, wanted = _offsets(base).reshape(-1), _offsets(view) + first
    order = np.argsort(known, kind="stable")
    found = np.searchsorted(known, wanted, sorter=order)
    places: Array = order[np.minimum(found, known.size - 1)]
    if (known[places] != wanted).any():
        raise RuntimeError(
            "a view no longer lies on the memory of the tensor it was made of, whose data was "
            "replaced; make the view again"
        )
    return places
