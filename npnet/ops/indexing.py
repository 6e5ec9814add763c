"""Selection: indexing, writing at an index, gathering, one-hot codes."""

from __future__ import annotations

import numpy as np

from npnet.tensor import Tensor

__all__ = ["one_hot"]


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
