"""Dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from npnet.ops.arithmetic import mul
from npnet.ops.dtypes import check_dtypes
from npnet.random import default_generator
from npnet.tape import result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["dropout"]


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """y = x * mask / (1 - p), where each value of the mask is 0 with probability p, else 1.

    Args:
        p: the probability, from 0 to 1. NaN and numbers outside are a ValueError.
        training: False returns the input.
        inplace: write the result into `input`. It saves no memory here.

    Source: Srivastava et al. (2014); scaled in training, so that evaluation need not be.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p must lie in [0, 1], got {p:g}")
    check_dtypes("dropout", input)
    if not training or p == 0:
        return input
    if inplace:  # refused before numbers are drawn
        input._check_write(False, "dropout(inplace=True)")
    keep = default_generator.numpy.random(input.shape, np.float32) >= p
    mask = result(keep * input.dtype.type(0 if p == 1 else 1 / (1 - p)))
    y = mul(input, mask)
    return input._write(y, "dropout(inplace=True)") if inplace else y
