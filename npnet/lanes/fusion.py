"""Values that wait, so that the op that comes next may do both at once."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import activation, norm
from npnet.lanes.convolve import convolve
from npnet.lanes.layout import Lanes
from npnet.lanes.plan import Buffer, Loop, by_spans

__all__ = ["Convolved", "DeferredLanes", "Masked", "Normalised"]


class DeferredLanes(Lanes):
    """Lanes that are computed when somebody asks for the blocks.

    Until then the op that comes next may do both at once. What they are computed of is never
    written to, so it does not matter when; nor if two threads do it at once, as the bits are the
    same and nobody writes to them.

    Attributes:
        operands: what `compute` takes; None once the blocks are there, which another thread may
            bring about at any time: to be read once.
    """

    __slots__ = ("operands",)
    operands: tuple[Any, ...] | None

    def __init__(self, shape: tuple[int, ...], *operands: Any) -> None:
        self.shape, self.operands = shape, operands

    def compute(self, *operands: Any) -> Array:
        """The blocks."""
        raise NotImplementedError

    @property
    def blocks(self) -> Array:
        """The values; they are never written to."""
        operands = self.operands
        if operands is not None:
            with np.errstate(all="ignore"):  # as when an op is applied
                self.settle(self.compute(*operands))
        return self._blocks

    def settle(self, blocks: Array) -> None:
        """Take the blocks from where they were computed."""
        self._blocks = blocks
        self.operands = None  # after it, for another thread that asks


class Normalised(DeferredLanes):
    """A batch norm's result, with or without a residual: scale * (x - mean) + bias + residual."""

    __slots__ = ()

    def compute(
        self, x: Any, constants: Array, residual: Array | None, relu: bool = False
    ) -> Array:
        """Of x and residual (B, C, ..., 16) and what `kernels.norm` calls constants."""
        return norm.normalise(x, constants, residual, relu)

    @property
    def plain_operands(self) -> tuple[Any, Array] | None:
        """x and the constants, if a residual can still be added."""
        operands = self.operands
        return None if operands is None or operands[2] is not None else operands[:2]

    def with_residual(self, other: Lanes) -> Lanes | None:
        """The sum, by the same kernel, if there is no residual yet."""
        plain = self.plain_operands
        return None if plain is None else type(self)(self.shape, *plain, other.blocks)

    def rectified(self) -> Lanes | None:
        """max(x, 0) by the same kernel; None if the values are there."""
        operands = self.operands
        if operands is None:
            return None
        x, constants, residual = operands
        return Lanes(self.compute(x, constants, residual, relu=True), self.shape[0])


class Convolved(DeferredLanes):
    """A convolution's result off the tape, which waits for a batch norm to change the weights."""

    __slots__ = ("__weakref__",)

    def compute(self, *operands: Any) -> Array:
        """Of x (B, C, H, W, 16), weight, bias, window, fast: as `convolve` has them."""
        x, weight, bias, window, fast = operands
        return convolve(Buffer(x), weight, bias, window, fast, Loop(self.shape[0])).array

    def normalised(self, constants: Array) -> Normalised:
        """Batch norm, whose statistics are in the `constants` of `kernels.norm`."""
        operands = self.operands
        if operands is None:
            return Normalised(self.shape, self.blocks, constants, None)
        return Folded(self.shape, (weakref.ref(self), operands), constants, None)


class Folded(Normalised):
    """Batch norm of a `Convolved`, whose result is never there: by a convolution with

        weight[o] * scale[o],   scale[o] * (bias[o] - mean[o]) + shift[o]

    But somebody may hold the convolution's result when this one is asked for: then it is computed
    for both. And where one of these numbers is not finite, or overflows, it is computed first:
    folded, NaN would come about elsewhere. Where a ReLU or an addition took this result, and it is
    wanted itself too, the convolution runs once more.
    """

    __slots__ = ()

    def compute(
        self, x: Any, constants: Array, residual: Array | None, relu: bool = False
    ) -> Array:
        """Of a weak reference to the `Convolved` with its operands; else as of Normalised."""
        reference, operands = x
        convolved = reference()
        if convolved is None:
            images, weight, bias, window, fast = operands
            mean, scale, shift, _ = constants
            folded = weight * scale[:, None, None, None]
            offset = shift + scale * (-mean if bias is None else bias - mean)
            if np.isfinite(folded.sum() + offset.sum()):
                out = Loop(self.shape[0])
                y = convolve(Buffer(images), folded, offset, window, fast, out, residual, relu)
                return y.array
            convolved = Convolved(self.shape, *operands)
        return super().compute(convolved.blocks, constants, residual, relu)


class Masked(DeferredLanes):
    """A ReLU's gradient: gy where y > 0, else 0.

    The third operand is the constants of the batch norm whose result, and nothing more, the ReLU
    took; or None.
    """

    __slots__ = ()

    def compute(self, gy: Array, y: Array, constants: Array | None) -> Array:
        """Of gy and y, which are alike."""
        return by_spans(activation.relu_backward_span, y, gy)
