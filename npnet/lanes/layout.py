"""The layout of kernels on the tape: sixteen images side by side, see `kernels.lanes`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import elementwise
from npnet.kernels import lanes as kernel
from npnet.lanes.plan import by_spans
from npnet.tape import Layout, Values

if TYPE_CHECKING:
    from npnet.lanes.fusion import Pending

__all__ = ["LanePart", "Lanes", "to_lanes"]


class Lanes(Layout):
    """Images (N, C, H, W) or features (N, F) as (B, C, H, W, 16) or (B, F, 16).

    Attributes:
        blocks: the array of blocks of sixteen; what the lanes after the last image hold counts
            for nothing.
        shape: (N, C, H, W) or (N, F).
    """

    __slots__ = ("_blocks", "shape")
    dtype = np.dtype(np.float32)

    def __init__(self, blocks: Array, n: int) -> None:
        self._blocks = blocks
        self.shape = (n, *blocks.shape[1:-1])

    @property
    def blocks(self) -> Array:
        """The values; they are never written to."""
        return self._blocks

    @property
    def pending(self) -> Pending | None:
        """What the values still wait for, see `fusion`."""
        return None

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of images."""
        _, _, height, width = self.shape
        return height, width

    def to_array(self) -> Array:
        """The images as (N, C, H, W), or the features as (N, F)."""
        return kernel.from_lanes(self.blocks, self.shape[0])

    def plus(self, other: Layout) -> Lanes:
        """The sum with images of the same shape."""
        assert isinstance(other, Lanes)
        for a, b in ((self, other), (other, self)):
            if (both := a.with_residual(b)) is not None:
                return both
        return Lanes(by_spans(elementwise.add_span, self.blocks, other.blocks), self.shape[0])

    def with_residual(self, other: Lanes) -> Lanes | None:
        """The sum, where it comes with what these values still wait for; else None."""
        return None


class LanePart(Lanes):
    """A view of other lanes of which it holds a part: as an ndarray it has gaps."""

    __slots__ = ()
    is_part = True


def to_lanes(values: Values) -> Lanes:
    """Images or features in lanes, if they are not already."""
    if isinstance(values, Lanes):
        return values
    assert isinstance(values, np.ndarray)
    return Lanes(kernel.to_lanes(values), len(values))
