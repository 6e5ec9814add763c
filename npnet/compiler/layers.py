"""How the layers of a chain are done to one block of images: the calls of a program.

A layer takes a `Buffer` and gives one. Images are in buffers with a slot for each thread, which
live as long as a block; features, which are few, in buffers that hold the whole batch, because
gradients by the weights of linear layers are products over all of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from npnet.base.arrays import Array
from npnet.compiler.chain import Link
from npnet.kernels import (
    activated_pool,
    activation,
    block_ops,
    correlate,
    lanes,
    linear,
    pool,
    pool_plans,
    weight_gradient,
)
from npnet.kernels.program import BLOCK, SLOT, Call
from npnet.kernels.simd import LANES
from npnet.lanes import activation as lane_activation
from npnet.lanes import conv as lane_conv
from npnet.lanes import linear as lane_linear
from npnet.lanes import pool as lane_pool
from npnet.lanes import shape as lane_shape
from npnet.ops.shape import Reshape
from npnet.ops.windows import Window
from npnet.tensor import Tensor

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Room:
    """For what a program is built: `n` images in `blocks` blocks, on `slots` threads."""

    n: int
    slots: int

    @property
    def blocks(self) -> int:
        return lanes.block_count(self.n)

    @property
    def chunks(self) -> int:
        """In how many parts gradients by weights are added up, whatever the threads are."""
        return weight_gradient.chunk_count(self.blocks)

    def empty(self, shape: Shape, by: int) -> Buffer:
        """Room for what a block becomes, in a slot of the thread or a block of the batch."""
        return Buffer(lanes.empty((self.slots if by == SLOT else self.blocks, *shape, LANES)), by)


@dataclass(frozen=True)
class Buffer:
    """Values (S or B, C, H, W, 16) or (S or B, F, 16), found by slot or by block."""

    array: Array
    by: int

    @property
    def shape(self) -> Shape:
        """Of one image."""
        return self.array.shape[1:-1]

    @property
    def flat(self) -> Array:
        return self.array.reshape(-1)

    @property
    def rows(self) -> Array:  # (S or B, features, 16)
        return self.array.reshape(len(self.array), -1, LANES)

    @property
    def planes(self) -> Array:  # (S or B * C, H, W, 16)
        return pool_plans.planes(self.array)

    @property
    def size(self) -> int:
        """Floats of one block."""
        return math.prod(self.array.shape[1:])

    def call(self, task: Any, *arguments: Any, count: int = 1) -> Call:
        """A kernel's `count` items for each slot or block, as this buffer is found."""
        return Call(task, arguments, count, self.by)


@dataclass
class Calls:
    """What the layers of a network add to a program.

    Attributes:
        before: pieces of work before any block, such as putting weights in order.
        forward, backward: for each block. Layers come backward in the other order.
        after: pieces of work when all blocks are done.
        last: pieces after those.
        gradients: of each parameter, filled by then.
    """

    before: list[Call] = field(default_factory=list)
    forward: list[Call] = field(default_factory=list)
    backward: list[Call] = field(default_factory=list)
    after: list[Call] = field(default_factory=list)
    last: list[Call] = field(default_factory=list)
    gradients: dict[Tensor, Array] = field(default_factory=dict)


class Layer:
    """One layer: `forward` first, then `backward`, each adds its calls and gives its result.

    Attributes:
        keeps_output: whether `backward` needs what `forward` gave.
        is_view: whether the output lies on the memory of the input.
        may_overwrite: whether nobody else needs the input.
    """

    keeps_output = False
    is_view = False
    may_overwrite = False

    def __init__(self, link: Link, room: Room, calls: Calls) -> None:
        self.node: Any = link.op
        self.op: Any = getattr(link.op, "op", link.op)
        self.room, self.calls = room, calls
        self.params = link.params

    def forward(self, x: Buffer) -> Buffer:
        raise NotImplementedError

    def backward(self, gy: Buffer, needs_gx: bool) -> Buffer:
        """The gradient by x; whatever, where it is not needed."""
        raise NotImplementedError

    def gradient(self, index: int) -> Array:
        """Room for the gradient of a parameter."""
        p = self.params[index]
        return self.calls.gradients.setdefault(p, lanes.empty(p.shape))


class Conv2d(Layer):
    """A convolution, its gradients by weight and bias added up over the blocks of a chunk."""

    def forward(self, x: Buffer) -> Buffer:
        self.window: Window = self.op.window
        self.x = x
        weight = self.params[0].array
        y = self.room.empty((len(weight), *self.window.output_size(x.shape[1:])), SLOT)
        bias = self.params[1].array if len(self.params) > 1 else linear.NO_BIAS
        self.calls.forward.append(self._correlate(x, bias, y, False))
        return y

    def backward(self, gy: Buffer, needs_gx: bool) -> Buffer:
        self._add_weight_gradients(gy)
        if not needs_gx:
            return gy
        gx = self.room.empty(self.x.shape, SLOT)
        self.calls.backward.append(self._correlate(gy, linear.NO_BIAS, gx, True))
        return gx

    def _correlate(self, x: Buffer, bias: Array, y: Buffer, transposed: bool) -> Call:
        weight = self.params[0].array
        panels, arguments = correlate.plan(x.array, weight, bias, self.window, y.array, transposed)
        self.calls.before.append(
            Call(correlate.pack_panel, (weight, transposed, panels), len(panels))
        )
        return y.call(correlate.correlate_row, *arguments, count=y.shape[1])

    def _add_weight_gradients(self, gy: Buffer) -> None:
        room, x, weight = self.room, self.x, self.params[0]
        outputs, size = weight.shape[0], math.prod(weight.shape)
        plan = weight_gradient.lanes_plan(
            x.shape[0], x.shape[1:], outputs, self.window, room.slots, 1
        )
        gw = lanes.empty((room.chunks, outputs, size // outputs))
        gb = lanes.empty((room.chunks, outputs))
        self.calls.backward.append(
            Call(
                block_ops.add_weight_gradients,
                (x.array, gy.array, room.n, room.blocks, *plan, gw, gb),
            )
        )
        self._sum(gw.reshape(room.chunks, size), self.gradient(0))
        if len(self.params) > 1:
            self._sum(gb, self.gradient(1))

    def _sum(self, parts: Array, total: Array) -> None:
        flat = total.reshape(-1)
        pieces = -(-flat.size // block_ops.SPAN)
        self.calls.after.append(Call(block_ops.sum_parts, (parts, flat), pieces))


class Linear(Layer):
    """A linear layer, or a convolution with one window, its weights' gradient by the batch."""

    def forward(self, x: Buffer) -> Buffer:
        room = self.room
        self.given = x
        if x.by == SLOT:
            copy = room.empty((math.prod(x.shape),), BLOCK)
            self.calls.forward.append(Call(block_ops.copy_out, (x.rows, copy.array)))
            x = copy
        self.x = x = _viewed(x, (math.prod(x.shape),))
        weight = self._weight()
        bias = self.params[1].array if len(self.params) > 1 else linear.NO_BIAS
        y = room.empty((len(weight),), BLOCK)
        self.calls.forward.append(self._multiply(x, weight, weight.shape[1], 1, bias, y))
        return y if len(self.given.shape) == 1 else _viewed(y, (len(weight), 1, 1))

    def backward(self, gy: Buffer, needs_gx: bool) -> Buffer:
        gy = _viewed(gy, (math.prod(gy.shape),))
        self._weight_gradients(gy)
        if not needs_gx:
            return gy
        weight, gx = self._weight(), self.room.empty(self.x.shape, BLOCK)
        self.calls.backward.append(
            self._multiply(gy, weight, 1, weight.shape[1], linear.NO_BIAS, gx)
        )
        if self.given.by == SLOT:
            copy = self.room.empty(self.given.shape, SLOT)
            self.calls.backward.append(Call(block_ops.copy_in, (gx.array, copy.rows)))
            return copy
        return _viewed(gx, self.given.shape)

    def _weight(self) -> Array:  # (O, F)
        weight = self.params[0].array
        return weight.reshape(len(weight), -1)

    def _multiply(self, x: Buffer, w: Array, down: int, along: int, bias: Array, y: Buffer) -> Call:
        shape = linear.BLOCK_SHAPE
        panels = -(-y.shape[0] // shape.rows)
        return y.call(
            linear.multiply_panel, shape, x.array, w, down, along, bias, y.array, count=panels
        )

    def _weight_gradients(self, gy: Buffer) -> None:
        calls, (outputs, features) = self.calls, self._weight().shape
        width = -(-features // LANES) * LANES
        images, gb = lanes.zeros((self.room.n, width)), np.empty(outputs, np.float32)
        gweight = self.gradient(0).reshape(outputs, features)
        gw = gweight if width == features else lanes.empty((outputs, width))
        calls.backward.append(Call(lanes.block_from_lanes, (self.x.array, images)))
        shape = linear.SHAPE
        calls.after.append(
            Call(
                linear.gradients_panel, (shape, images, gy.array, gw, gb), -(-outputs // shape.rows)
            )
        )
        if gw is not gweight:
            calls.last.append(Call(block_ops.compact_row, (gw, gweight), outputs))
        if len(self.params) > 1:
            calls.gradients[self.params[1]] = gb


class Activation(Layer):
    """An activation, in place where nobody needs its input."""

    keeps_output = True

    def forward(self, x: Buffer) -> Buffer:
        self.y = x if self.may_overwrite else self.room.empty(x.shape, x.by)
        task = getattr(activation, f"{self.node.kernel}_span")
        self.calls.forward.append(self.y.call(task, x.flat, self.y.flat, x.size))
        return self.y

    def backward(self, gy: Buffer, needs_gx: bool) -> Buffer:
        task = getattr(activation, f"{self.node.kernel}_backward_span")
        self.calls.backward.append(gy.call(task, self.y.flat, gy.flat, gy.flat, gy.size))
        return gy


class LeakyReLU(Layer):
    """The same for LeakyReLU, whose gradient follows from its input."""

    def forward(self, x: Buffer) -> Buffer:
        self.x, y, slope = x, self.room.empty(x.shape, x.by), np.float32(self.op.slope)
        self.calls.forward.append(
            y.call(activation.leaky_relu_backward_span, x.flat, x.flat, slope, y.flat, x.size)
        )
        return y

    def backward(self, gy: Buffer, needs_gx: bool) -> Buffer:
        slope = np.float32(self.op.slope)
        self.calls.backward.append(
            gy.call(
                activation.leaky_relu_backward_span, self.x.flat, gy.flat, slope, gy.flat, gy.size
            )
        )
        return gy


class MaxPool2d(Layer):
    def forward(self, x: Buffer) -> Buffer:
        self.x, window = x, self.op.window
        y = self.room.empty((x.shape[0], *window.output_size(x.shape[1:])), x.by)
        self.winner = pool_plans.numbers(y.array.shape, math.prod(window.kernel))
        spans = pool_plans.spans(window, x.shape[1:])
        self.calls.forward.append(
            y.call(
                pool.max_pool2d_plane, x.planes, *spans, *window.dilation, window.kernel[1],
                y.planes, self.winner, count=x.shape[0],
            )
        )  # fmt: skip
        return y

    def backward(self, gy: Buffer, needs_gx: bool) -> Buffer:
        window, size = self.op.window, self.x.shape[1:]
        gx = self.room.empty(self.x.shape, self.x.by)
        spans, apart = pool_plans.spans(window, size), pool_plans.apart(window, size)
        self.calls.backward.append(
            gx.call(
                pool.max_pool2d_backward_plane, gy.planes, self.winner, *spans, *window.dilation,
                window.kernel[1], apart, gx.planes, count=gx.shape[0],
            )
        )  # fmt: skip
        return gx


class AvgPool2d(Layer):
    """Means of windows, or of adaptive pooling's bins."""

    def forward(self, x: Buffer) -> Buffer:
        y = self._planned(x)
        self.calls.forward.append(
            y.call(pool.avg_pool2d_plane, x.planes, *self.plan, y.planes, count=x.shape[0])
        )
        return y

    def _planned(self, x: Buffer) -> Buffer:
        """Room for the means of `x`, when it is known where the windows lie."""
        self.x, size = x, x.shape[1:]
        if isinstance(self.node, lane_pool.AdaptiveAvgPool2d):
            *spans, shares, self.apart = pool_plans.bins(size, self.op.size)
        else:
            spans = list(pool_plans.spans(self.op.window, size))
            shares = pool_plans.shares(self.op.window, size, *self.node.options)
            self.apart = pool_plans.apart(self.op.window, size)
        self.plan = (*spans, shares)
        return self.room.empty((x.shape[0], *shares.shape), x.by)

    def backward(self, gy: Buffer, needs_gx: bool) -> Buffer:
        gx = self.room.empty(self.x.shape, self.x.by)
        self.calls.backward.append(
            gx.call(
                pool.avg_pool2d_backward_plane, gy.planes, *self.plan, self.apart, gx.planes,
                count=gx.shape[0],
            )
        )  # fmt: skip
        return gx


class ActivatedPool2d(AvgPool2d):
    """An activation and the average pooling after it, whose windows cover each pixel once.

    The activation writes over its input, and its gradient over its output.
    """

    def __init__(
        self, activation: lane_activation.Activation, pool: Link, room: Room, calls: Calls
    ) -> None:
        super().__init__(pool, room, calls)
        self.kind = activated_pool.ACTIVATIONS[activation.kernel]

    def forward(self, x: Buffer) -> Buffer:
        y = self._planned(x)
        self.calls.forward.append(
            y.call(
                activated_pool.activated_pool_plane, self.kind, x.planes, *self.plan, y.planes,
                count=x.shape[0],
            )
        )  # fmt: skip
        return y

    def backward(self, gy: Buffer, needs_gx: bool) -> Buffer:
        self.calls.backward.append(
            self.x.call(
                activated_pool.activated_pool_backward_plane, self.kind, gy.planes,
                *self.plan, self.x.planes, count=self.x.shape[0],
            )
        )  # fmt: skip
        return self.x


def covers(op: Any, size: Shape) -> bool:
    """Whether an op is average pooling whose windows, on images of `size`, take each pixel once."""
    if isinstance(op, lane_pool.AdaptiveAvgPool2d):
        return pool_plans.bins(size, op.op.size)[-1] == pool_plans.COVER
    return (
        isinstance(op, lane_pool.AvgPool2d)
        and pool_plans.apart(op.op.window, size) == pool_plans.COVER
    )


class Flatten(Layer):
    """Images as features, or the other way: a block's values in another shape."""

    is_view = True

    def forward(self, x: Buffer) -> Buffer:
        self.x = x
        return _viewed(x, self.op.size[1:])

    def backward(self, gy: Buffer, needs_gx: bool) -> Buffer:
        return _viewed(gy, self.x.shape)


def _viewed(x: Buffer, shape: Shape) -> Buffer:
    return Buffer(x.array.reshape(len(x.array), *shape, LANES), x.by)


LAYERS: dict[type, type[Layer]] = {
    lane_conv.Conv2d: Conv2d,
    lane_linear.Linear: Linear,
    lane_activation.Tanh: Activation,
    lane_activation.Sigmoid: Activation,
    lane_activation.ReLU: Activation,
    lane_activation.LeakyReLU: LeakyReLU,
    lane_pool.MaxPool2d: MaxPool2d,
    lane_pool.AvgPool2d: AvgPool2d,
    lane_pool.AdaptiveAvgPool2d: AvgPool2d,
    lane_shape.Reshape: Flatten,
    Reshape: Flatten,
}
