"""Signals and single images as what ops on windows take: a batch of images (N, C, H, W)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from npnet.base.checks import ShapeError, not_tensors
from npnet.ops import shape
from npnet.ops.dtypes import check_dtypes
from npnet.ops.windows import Pair, as_pair
from npnet.tape import Variable

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["as_row", "as_single", "check_numbers", "from_images", "to_images"]

_AXES = {1: ("L",), 2: ("H", "W")}


def to_images(op: str, x: Tensor, dims: int) -> Tensor:
    """(N, C, H, W) of (N, C, H, W) or (C, H, W); with dims 1 of (N, C, L) or (C, L), H being 1."""
    if not isinstance(x, Variable):
        raise not_tensors(op, x)
    if x.ndim - dims not in (1, 2):
        axes = ", ".join(_AXES[dims])
        raise ShapeError(
            f"{op}: input must be (N, C, {axes}), or (C, {axes}) for one, "
            f"got {x.ndim} axes: input.shape = {x.shape}"
        )
    if x.ndim == 4:
        return x
    batch = x.shape if x.ndim == dims + 2 else (1, *x.shape)
    return shape.reshape(x, batch if dims == 2 else (*batch[:2], 1, batch[2]))


def check_numbers(op: str, *inputs: Tensor) -> None:
    """Raise RuntimeError unless all are of one floating point dtype, or of int64, as in PyTorch."""
    if not all(isinstance(x, Variable) and x.dtype == np.int64 for x in inputs):
        check_dtypes(op, *inputs)


def from_images(y: Tensor, x: Tensor, dims: int) -> Tensor:
    """Images as an op gave them for `to_images(x)`, with the axes that x has."""
    if x.ndim == 4:
        return y
    n, channels, height, width = y.shape
    size = (width,) if dims == 1 else (height, width)
    return shape.reshape(y, (*((n,) if x.ndim == dims + 2 else ()), channels, *size))


def as_single(op: str, name: str, value: int | Sequence[int], least: int) -> int:
    """The number itself, or the one in a sequence of one."""
    if isinstance(value, (tuple, list)):
        if len(value) != 1:
            raise TypeError(f"{op}: {name} must be an int or a sequence of one, got {value!r}")
        value = value[0]
    return as_pair(op, name, value, least)[0]  # type: ignore[arg-type] # which checks it


def as_row(op: str, name: str, value: int | Sequence[int], least: int, other: int) -> Pair:
    """(other, value): of a signal that lies in an image of one row."""
    return other, as_single(op, name, value, least)
