"""Padding of any axes: with a constant, or with what stands in the input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.ops.broadcasting import check_tensors
from npnet.ops.dtypes import Number
from npnet.ops.windows import Pair
from npnet.tape import Function

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["pad"]

_NUMPY_MODES = {"reflect": "reflect", "circular": "wrap"}


class PadConstant(Function):
    """The input inside a frame of one value;  gx is what arrives inside."""

    def __init__(self, widths: tuple[Pair, ...], value: Number) -> None:
        self.widths, self.value = widths, value

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        sizes = [n + a + b for n, (a, b) in zip(x.shape, self.widths, strict=True)]
        y = np.full(sizes, self.value, x.dtype)
        y[self._inside(y.shape, 1)] = x[self._inside(x.shape, -1)]
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        gx = np.zeros(self.x_shape, gy.dtype)
        gx[self._inside(gx.shape, -1)] = gy[self._inside(gy.shape, 1)]
        return (gx,)

    def _inside(self, shape: tuple[int, ...], sign: int) -> tuple[slice, ...]:
        """What y (sign 1) and x (sign -1) have in common: a negative width cuts x."""
        return tuple(
            slice(max(sign * a, 0), n - max(sign * b, 0))
            for n, (a, b) in zip(shape, self.widths, strict=True)
        )


class PadCopy(Function):
    """Along each axis y[j] = x[source[j]];  gx is gy added up where it came from."""

    def __init__(self, widths: tuple[Pair, ...], mode: str) -> None:
        self.widths, self.mode = widths, mode

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        y = x
        for axis in self._padded_axes():
            y = y.take(self._source(axis), axis)
        return y.copy() if y is x else y

    def backward(self, gy: Array) -> tuple[Array]:
        for axis in reversed(self._padded_axes()):
            rows = np.moveaxis(gy, axis, 0)
            total = np.zeros((self.x_shape[axis], *rows.shape[1:]), gy.dtype)
            for row, source in zip(rows, self._source(axis), strict=True):
                total[source] += row
            gy = np.moveaxis(total, 0, axis)
        return (gy,)

    def _padded_axes(self) -> list[int]:
        return [axis for axis, width in enumerate(self.widths) if any(width)]

    def _source(self, axis: int) -> Array:
        before, after = self.widths[axis]
        size = self.x_shape[axis]
        if self.mode == "replicate":  # also where one side cuts off all that there was
            return np.clip(np.arange(-before, size + after), 0, size - 1)
        kept = np.arange(max(-before, 0), size - max(-after, 0))
        outer = (max(before, 0), max(after, 0))
        return np.pad(kept, outer, _NUMPY_MODES[self.mode])  # type: ignore[call-overload] # a str


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: Number | None = None
) -> Tensor:
    """Values put before and after along the last axes.

    Args:
        pad: (before, after) for the last axis, then for the one before it, and so on; negative
            widths cut off.
        mode: "constant"; "reflect" (without the border), "replicate" or "circular" (a copy of
            what stands there).
        value: of the constant; default 0.

    Shape: (..., H, W) -> (..., H + top + bottom, W + left + right) for pad (left, right, top,
        bottom).

    Raises:
        ShapeError: the widths are no pairs, are of more axes than there are, or do not fit the
            size: "reflect" takes less than it, "circular" at most it.
        ValueError: a `value` comes with another mode than "constant".
        NotImplementedError: `mode` is none of these.

    Example:
        >>> x = npnet.tensor([[1, 2, 3]])
        >>> F.pad(x, (1, 2)), F.pad(x, (2, 0), mode="reflect")
        (tensor([[0, 1, 2, 3, 0, 0]]), tensor([[3, 2, 1, 2, 3]]))
        >>> F.pad(x, (0, -1, 1, 0), value=9)  # the columns first, then the rows
        tensor([[9, 9],
                [1, 2]])
    """
    check_tensors("pad", input)
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise ShapeError(f"pad: needs a pair for each of up to {input.ndim} axes, got {tuple(pad)}")
    if mode not in ("constant", "replicate", *_NUMPY_MODES):
        raise NotImplementedError(
            f"pad: mode must be constant, reflect, replicate or circular; got {mode!r}"
        )
    if mode != "constant" and value:
        raise ValueError(f"pad: mode {mode!r} takes no value, got {value}")
    pairs = [(int(pad[i]), int(pad[i + 1])) for i in range(0, len(pad), 2)][::-1]
    widths = ((0, 0),) * (input.ndim - len(pairs)) + tuple(pairs)
    for size, (before, after) in zip(input.shape, widths, strict=True):
        most = {"reflect": size - 1, "circular": size}.get(mode, math.inf)
        nothing = mode != "constant" and not size and max(before, after) > 0
        if max(before, after, 0) > max(most, 0) or nothing or size + before + after < 0:
            raise ShapeError(f"pad: {mode} padding {tuple(pad)} does not fit shape {input.shape}")
    if mode == "constant":
        return PadConstant(widths, 0 if value is None else value)(input)
    return PadCopy(widths, mode)(input)
