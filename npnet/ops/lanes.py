"""The lane layout on the tape: sixteen images side by side, as the compiled kernels take them.

A `LaneFunction` is an op with kernels: it takes tensors of images or features, in lanes or not,
and leaves its result in lanes. The plain NumPy Function of the same op is its specification.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.backend import lanes_wanted
from npnet.tensor import Array, Function, Layout, Tensor, Values

__all__ = ["LaneFunction", "Lanes", "in_lanes", "suits_lanes", "to_lanes"]

_FLOAT32 = np.dtype(np.float32)


class Lanes(Layout):
    """Images (N, C, H, W) or features (N, F) as (B, C, H, W, 16) or (B, F, 16).

    Attributes:
        blocks: the array of blocks of sixteen; what the lanes after the last image hold counts
            for nothing.
        shape: (N, C, H, W) or (N, F).
    """

    __slots__ = ("blocks", "shape")
    dtype = _FLOAT32

    def __init__(self, blocks: Array, n: int) -> None:
        self.blocks = blocks
        self.shape = (n, *blocks.shape[1:-1])

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of images."""
        _, _, height, width = self.shape
        return height, width

    def to_array(self) -> Array:
        """The images as (N, C, H, W), or the features as (N, F)."""
        from npnet.kernels import lanes

        return lanes.from_lanes(self.blocks, self.shape[0])

    def plus(self, other: Layout) -> Lanes:
        """The sum with images of the same shape."""
        from npnet.kernels import elementwise

        assert isinstance(other, Lanes)
        return Lanes(elementwise.add(self.blocks, other.blocks), self.shape[0])


def to_lanes(values: Values) -> Lanes:
    """Images or features in lanes, if they are not already."""
    if isinstance(values, Lanes):
        return values
    from npnet.kernels import lanes

    assert isinstance(values, np.ndarray)
    return Lanes(lanes.to_lanes(values), len(values))


def suits_lanes(x: Tensor) -> bool:
    """Whether an op with kernels shall bring images or features into lanes."""
    if isinstance(x.values, Lanes):
        return True
    return x.dtype == _FLOAT32 and x.ndim in (2, 4) and x.numel() > 0 and lanes_wanted()


def in_lanes(*inputs: Tensor) -> bool:
    """Whether all are in lanes already: an elementwise op is not worth the way there."""
    return all(isinstance(x.values, Lanes) for x in inputs)


class LaneFunction(Function):
    """A Function whose images and gradients of images are in lanes.

    forward takes `images` inputs as Lanes and the others, which are weights, as arrays, and
    returns Lanes, or an array where the result is none of images. backward takes gy as forward
    returned its result, and returns a Lanes for each of the `images`.
    """

    images = 1
    _scalar = False  # whether the result is no batch of images

    def apply(self, inputs: tuple[Tensor, ...]) -> Tensor:
        images = [to_lanes(x.values) for x in inputs[: self.images]]
        y: Values = self.forward(*images, *[x.array for x in inputs[self.images :]])
        if isinstance(y, Lanes):
            return Tensor._of_layout(y)
        self._scalar = True
        return Tensor(y)

    def differentiate(self, gy: Values) -> tuple[Any, ...]:
        return self.backward(gy if self._scalar else to_lanes(gy))
