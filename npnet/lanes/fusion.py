"""Values that wait, so that the op that comes next may do both at once.

    c = conv(x)          # off the tape, nothing runs: c waits for a batch norm
    z = norm(c)          # waits for an addition or a ReLU, and has taken c's place as what waits
    s = z + r            # waits for a ReLU
    y = relu(s)          # runs: one kernel gives y, and c, z, s were never in memory

Each op makes new lanes, which wait by a `Pending` of their own, and changes none. So c, z and s may
still be asked for their values, by whoever holds them, before y or after: they are computed then,
each once, of what they were made of: arrays that nobody writes to, and copies of weights, which an
optimizer may have moved since. z and s cost the convolution once more, for they do not know of one
another; but if c is held when one of them is asked for, c is computed for both.

Lanes that wait may be asked, beside their values, for a sum (`with_residual`) and for what they
wait for (`pending`), of which a ReLU makes its result, and a batch norm its own. Lanes whose values
are there answer None, and the op computes as always. A thread may bring the values about while
another asks: what waits is read once, and then the answer holds, whatever has become of the lanes.

On the tape a convolution does not wait, as backward needs its result; what follows it does. There,
the gradient of the ReLU waits too, for the batch norm's backward: see `masked`.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import lanes
from npnet.kernels.activation import relu_backward_span
from npnet.kernels.norm import normalise_plane
from npnet.kernels.simd import LANES
from npnet.lanes.convolve import convolve
from npnet.lanes.layout import Lanes
from npnet.lanes.plan import Buffer, Loop, by_spans
from npnet.ops.windows import Window

__all__ = ["Convolution", "Pending", "WaitingLanes", "masked", "normalised", "planes"]


@dataclass(slots=True)
class Convolution:
    """A convolution that has not run: of input (B, C, H, W, 16), by copies of its weights."""

    input: Array
    weight: Array
    bias: Array | None
    window: Window
    fast: bool
    groups: int

    def run(self, n: int) -> Array:
        """Its result for `n` images."""
        x, out = Buffer(self.input), Loop(n)
        weights = self.weight, self.bias
        return convolve(x, *weights, self.window, self.fast, out, groups=self.groups).array

    def run_normalised(
        self, n: int, constants: Array, residual: Array | None, relu: bool
    ) -> Array | None:
        """Batch norm of its result, and what follows, by another convolution alone. It has

            weight[o] * scale[o],   scale[o] * (bias[o] - mean[o]) + shift[o]

        of which one channel with mean 3, scale 2 and shift 1 makes 2 * weight and 2 * bias - 5.
        None where such a number is not finite, or overflows: NaN would come about elsewhere.
        """
        mean, scale, shift, _ = constants
        weight = self.weight * scale[:, None, None, None]
        bias = shift + scale * (-mean if self.bias is None else self.bias - mean)
        if not np.isfinite(weight.sum() + bias.sum()):
            return None
        x, out = Buffer(self.input), Loop(n)
        options = self.window, self.fast, out, residual, relu, self.groups
        return convolve(x, weight, bias, *options).array


@dataclass(slots=True)
class Pending:
    """What lanes are computed of. Neither this nor its arrays are ever written to.

    It is a convolution's result, where there is nothing else; or that of a batch norm, of an
    `input` or of a convolution, perhaps with a residual; or a ReLU's gradient, of `gradient`.

    Attributes:
        convolution: what gives the input of the batch norm.
        result: the convolution's own lanes, if anybody holds them.
        input: of the batch norm, (B, C, ..., 16), if it follows no convolution that waits.
        constants: of the batch norm, see `kernels.norm`; of a ReLU's gradient, those of the batch
            norm whose result, and nothing more, the ReLU took, or None.
        residual: what is added.
        gradient, output: a ReLU's gradient is `gradient` where its `output` is above 0, else 0.
    """

    convolution: Convolution | None = None
    result: weakref.ref[Lanes] | None = None
    input: Array | None = None
    constants: Array | None = None
    residual: Array | None = None
    gradient: Array | None = None
    output: Array | None = None

    @property
    def is_convolution(self) -> bool:
        """Whether a batch norm may take the convolution with it."""
        return self.convolution is not None and self.constants is None

    @property
    def is_norm(self) -> bool:
        """Whether a ReLU may come with it."""
        return self.constants is not None and self.gradient is None

    def compute(self, n: int, relu: bool = False) -> Array:
        """The blocks of `n` images; of a batch norm, perhaps with a ReLU behind it."""
        if self.gradient is not None:
            return by_spans(relu_backward_span, self.output, self.gradient)
        if self.convolution is None:
            assert self.input is not None
            return self._normalise(self.input, relu)
        if self.constants is None:
            return self.convolution.run(n)
        assert self.result is not None
        held = self.result()
        if held is not None:  # somebody may want that too: computed once, for both
            return self._normalise(held.blocks, relu)
        y = self.convolution.run_normalised(n, self.constants, self.residual, relu)
        return self._normalise(self.convolution.run(n), relu) if y is None else y

    def _normalise(self, x: Array, relu: bool) -> Array:
        """The batch norm of x (B, C, ..., 16), then + residual, then max(y, 0)."""
        assert self.constants is not None
        y, images, residual = lanes.empty(x.shape), planes(x), self.residual
        added = images if residual is None else planes(residual)
        normalise_plane(images, added, self.constants, residual is not None, relu, planes(y))
        return y


def planes(x: Array) -> Array:
    """Blocks of images, or of features, as kernels of norms take them: (B, C, pixels, 16)."""
    return x.reshape(*x.shape[:2], -1, LANES)


class WaitingLanes(Lanes):
    """Lanes that are computed when somebody asks for the blocks.

    It does not matter when; nor if two threads do it at once, as the bits are the same and nobody
    writes to them.

    Attributes:
        pending: what they are computed of; None once the blocks are there, which another thread
            may bring about at any time: to be read once.
    """

    __slots__ = ("__weakref__", "pending")
    pending: Pending | None

    def __init__(self, shape: tuple[int, ...], pending: Pending) -> None:
        self.shape, self.pending = shape, pending

    @property
    def blocks(self) -> Array:
        """The values; they are never written to."""
        pending = self.pending
        if pending is not None:
            with np.errstate(all="ignore"):  # as when an op is applied
                self.settle(pending.compute(self.shape[0]))
        return self._blocks

    def settle(self, blocks: Array) -> None:
        """Take the blocks from where they were computed."""
        self._blocks = blocks
        self.pending = None  # after it, for another thread that asks

    def with_residual(self, other: Lanes) -> Lanes | None:
        """The sum by the batch norm's kernel, if there is no residual yet; it waits too."""
        p = self.pending
        if p is None or not p.is_norm or p.residual is not None:
            return None
        added = Pending(p.convolution, p.result, p.input, p.constants, other.blocks)
        return WaitingLanes(self.shape, added)


def normalised(x: Lanes, constants: Array) -> WaitingLanes:
    """Batch norm of x, with the convolution that x may still wait for."""
    p = x.pending
    if p is not None and p.is_convolution:
        pending = Pending(p.convolution, weakref.ref(x), constants=constants)
    else:
        pending = Pending(input=x.blocks, constants=constants)
    return WaitingLanes(x.shape, pending)


def masked(gy: Lanes, output: Array, constants: Array | None) -> WaitingLanes:
    """A ReLU's gradient, gy where `output` > 0, for the backward of the batch norm before it.

    In relu(norm(x) + r) that one takes gy and the output, and finds the gradient of r on its way:
    it settles these lanes by it, which the addition hands to r too. In relu(norm(x)) there is no
    r, and the mask follows from x: then the `constants` of this norm are here.
    """
    return WaitingLanes(gy.shape, Pending(gradient=gy.blocks, output=output, constants=constants))
