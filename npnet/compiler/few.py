"""The program of a forward pass of a few images, with channels in the lanes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.compiler.build import ChainProgram
from npnet.compiler.chain import Link, Unsuited
from npnet.compiler.layers import LAYERS, Buffer
from npnet.kernels import channel_lanes, lanes
from npnet.kernels.program import SLOT, Call, Phase, Program
from npnet.kernels.simd import LANES
from npnet.lanes import conv, linear, shape
from npnet.ops import shape as ops_shape
from npnet.ops.windows import Window

__all__ = ["FEW", "FewImages"]


FEW = 4  # images; of LeNet-5, a block of sixteen takes as long as five


class FewImages(ChainProgram):
    """The forward pass of up to FEW images, each on one thread.

    Raises:
        Unsuited: a convolution is padded, or features become images again.
    """

    def __init__(self, links: list[Link], size: tuple[int, ...], slots: int) -> None:
        super().__init__(links, size, slots)
        image = size[1:] if len(size) == 4 else (*size[1:], 1, 1)
        # as they come: one channel after another, which is the layout with groups of one
        to = lanes.empty((slots, math.prod(image)))
        self._load_by(channel_lanes.load_image, to, math.prod(image))
        self.x = Buffer(to.reshape(slots, *image, 1), SLOT)
        self.channels = image[0]
        for link in links:
            self._add(link)
        features = self.x.array.reshape(slots, -1)
        if self.x.shape[1:] != (1, 1):
            raise Unsuited("its last layer is none of features")
        self.output = np.empty((size[0], self.channels), np.float32)
        self.calls.forward.append(Call(channel_lanes.store_features, (features, self.output)))
        phases = Phase(self.calls.before), Phase(self.calls.forward, size[0], size[0])
        self._program = Program([p for p in phases if p.calls])

    def _add(self, link: Link) -> None:
        op: Any = link.op
        if isinstance(op, conv.Conv2d):
            self._convolve(link, op.op.window)
        elif isinstance(op, linear.Linear):
            _, height, width = self.x.shape
            self._convolve(link, Window((height, width)))
        elif isinstance(op, (shape.Reshape, ops_shape.Reshape)):
            options: Any = getattr(op, "op", op)
            if len(options.size) != 2:
                raise Unsuited("features become images")
        elif self.x.array.shape[-1] != LANES:
            raise Unsuited("its first layer mixes no channels")
        else:
            layer = LAYERS[type(op)](link, self.room, self.calls)
            layer.may_overwrite = True
            self.x = layer.forward(self.x)

    def _convolve(self, link: Link, window: Window) -> None:
        """A convolution, or a linear layer as one whose window is the whole image."""
        if window.is_padded:
            raise Unsuited("a convolution is padded")
        weight, x = link.params[0].array, self.x
        outputs, size = len(weight), window.output_size(x.shape[1:])
        tile = channel_lanes.WHOLE if size == (1, 1) else channel_lanes.PIXELS
        groups = -(-lanes.block_count(outputs) // tile.columns) * tile.columns
        w = lanes.zeros((groups, weight.size // outputs, LANES))
        bias = lanes.zeros((groups, 1, LANES))
        self._pack(weight.reshape(outputs, -1), w)
        if len(link.params) > 1:
            self._pack(link.params[1].array.reshape(outputs, 1), bias)
        y = self.room.empty((groups, *size), SLOT)
        arguments = (
            tile, x.array.reshape(self.slots, -1), self.channels, x.array.shape[-1], *x.shape[1:],
            w, bias.reshape(-1), *window.kernel, *window.stride, y.array,
        )  # fmt: skip
        self.calls.forward.append(y.call(channel_lanes.convolve_row, *arguments, count=size[0]))
        self.x, self.channels = y, outputs

    def _pack(self, rows: Array, packed: Array) -> None:
        """Outputs are put into lanes as images are, anew in each run: they may have changed."""
        count = lanes.block_count(len(rows))
        self.calls.before.append(Call(lanes.block_to_lanes, (rows, packed), count))
