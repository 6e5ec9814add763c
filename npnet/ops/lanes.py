"""The lane layout on the tape: sixteen images side by side, as the compiled kernels take them.

A `LaneFunction` is an op with kernels: it takes tensors of images or features, in lanes or not,
and leaves its result in lanes. The plain NumPy Function of the same op is its specification.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.backend import lanes_wanted
from npnet.base.arrays import Array
from npnet.tape import Function, Layout, Values, Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "Convolved",
    "DeferredLanes",
    "LaneFunction",
    "LanePart",
    "Lanes",
    "Masked",
    "Normalised",
    "enters_lanes",
    "in_lanes",
    "join_lanes",
    "suits_lanes",
    "to_lanes",
]

_FLOAT32 = np.dtype(np.float32)


class Lanes(Layout):
    """Images (N, C, H, W) or features (N, F) as (B, C, H, W, 16) or (B, F, 16).

    Attributes:
        blocks: the array of blocks of sixteen; what the lanes after the last image hold counts
            for nothing.
        shape: (N, C, H, W) or (N, F).
    """

    __slots__ = ("_blocks", "shape")
    dtype = _FLOAT32

    def __init__(self, blocks: Array, n: int) -> None:
        self._blocks = blocks
        self.shape = (n, *blocks.shape[1:-1])

    @property
    def blocks(self) -> Array:
        """The values; they are never written to."""
        return self._blocks

    @property
    def images(self) -> Array:
        """The blocks (B, C, H, W, 16); features are images of one pixel."""
        blocks = self.blocks
        return blocks if blocks.ndim == 5 else blocks[:, :, None, None]

    def like(self, images: Array) -> Lanes:
        """Images (B, C, H, W, 16) as images, or as features where these are."""
        return Lanes(images if len(self.shape) == 4 else images[:, :, 0, 0], self.shape[0])

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
        for a, b in ((self, other), (other, self)):
            if isinstance(a, Normalised) and (plain := a.plain_operands) is not None:
                return type(a)(a.shape, *plain, b.blocks)
        return Lanes(elementwise.add(self.blocks, other.blocks), self.shape[0])

    def rectified(self) -> Lanes:
        """max(x, 0)."""
        from npnet.kernels import activation

        return Lanes(activation.relu(self.blocks), self.shape[0])


class LanePart(Lanes):
    """A view of other lanes of which it holds a part: as an ndarray it has gaps."""

    __slots__ = ()


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
        from npnet.kernels import norm

        return norm.normalise(x, constants, residual, relu)

    @property
    def plain_operands(self) -> tuple[Any, Array] | None:
        """x and the constants, if a residual can still be added."""
        operands = self.operands
        return None if operands is None or operands[2] is not None else operands[:2]

    def rectified(self) -> Lanes:
        """max(x, 0), by the same kernel."""
        operands = self.operands
        if operands is None:
            return super().rectified()
        x, constants, residual = operands
        return Lanes(self.compute(x, constants, residual, relu=True), self.shape[0])


class Convolved(DeferredLanes):
    """A convolution's result off the tape, which waits for a batch norm to change the weights."""

    __slots__ = ("__weakref__",)

    def compute(self, *operands: Any) -> Array:
        """Of x (B, C, H, W, 16), weight, bias, window, fast: as `kernels.conv` has them."""
        from npnet.kernels import conv

        return conv.conv2d(*operands)

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
        from npnet.kernels import conv

        reference, operands = x
        convolved = reference()
        if convolved is None:
            images, weight, bias, window, fast = operands
            mean, scale, shift, _ = constants
            folded = weight * scale[:, None, None, None]
            offset = shift + scale * (-mean if bias is None else bias - mean)
            if np.isfinite(folded.sum() + offset.sum()):
                return conv.conv2d(images, folded, offset, window, fast, residual, relu)
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
        from npnet.kernels import activation

        return activation.relu_backward(y, gy)


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


LEAST = 3  # images; of fewer, with all other lanes idle, BLAS computes the products faster


def enters_lanes(x: Tensor) -> bool:
    """Whether a convolution or a linear layer, with which lanes begin, is one by kernels."""
    return isinstance(x.values, Lanes) or (x.shape[0] >= LEAST and suits_lanes(x))


def in_lanes(*inputs: Tensor) -> bool:
    """Whether all are in lanes already: an elementwise op is not worth the way there."""
    return all(isinstance(x.values, Lanes) for x in inputs)


def join_lanes(*inputs: Tensor) -> bool:
    """Whether some are in lanes already and the others, of the same batch, can come there."""
    lanes = [isinstance(x.values, Lanes) for x in inputs]
    return True in lanes and (False not in lanes or all(map(suits_lanes, inputs)))


class LaneFunction(Function):
    """A Function whose images and gradients of images are in lanes.

    forward takes `images` inputs as Lanes and the others, which are weights, as arrays, and
    returns Lanes, or an array where the result is none of images. backward takes gy as forward
    returned its result, and returns a Lanes for each of the `images`.
    """

    images = 1
    _scalar = False  # whether the result is no batch of images

    def apply(self, inputs: tuple[Variable, ...]) -> Tensor:
        images = [to_lanes(x.values) for x in inputs[: self.images]]
        y: Values = self.forward(*images, *[x.array for x in inputs[self.images :]])
        if isinstance(y, Lanes):
            return result(y)
        self._scalar = True
        return result(y)

    def differentiate(self, gy: Values) -> tuple[Any, ...]:
        return self.backward(gy if self._scalar else to_lanes(gy))
