"""The program of a forward pass of a few images, with channels in the lanes."""

from __future__ import annotations

import math

import numpy as np

from npnet.compiler.build import ChainProgram
from npnet.compiler.trace import Link
from npnet.kernels import channel_lanes, lanes
from npnet.kernels.program import SLOT, Phase, Program
from npnet.lanes.channels import Channels
from npnet.lanes.plan import Buffer, Extent, Recorded
from npnet.lanes.unsuited import Unsuited

__all__ = ["FEW_IMAGES", "FewImages"]

FEW_IMAGES = 4  # of LeNet-5, a block of sixteen takes as long as five
SOON_IN_ORDER = 2**18  # floats of weights that one thread has in order before a second is awake


class FewImages(ChainProgram):
    """The forward pass of up to FEW_IMAGES images, each on one thread.

    One image of a small network has no other thread: it would come late, or very late where others
    keep the cores busy, and the image has to wait for it.

    Raises:
        Unsuited: a convolution is padded, features become images again, or a layer of these adds up
            channels.
    """

    def __init__(self, links: list[Link], shape: tuple[int, ...], slots: int) -> None:
        super().__init__(links, shape, slots)  # for so many threads it is made
        if shape[0] == 1 and sum(p.numel() for link in links for p in link.params) < SOON_IN_ORDER:
            slots = 1
            self.calls = Recorded(Extent(shape[0], slots))
        if len(shape) == 3:
            raise Unsuited("signals become images")
        image = shape[1:] if len(shape) == 4 else (*shape[1:], 1, 1)
        # as they come: one channel after another, which is the layout with groups of one
        to = lanes.empty((slots, math.prod(image)))
        self._load_by(channel_lanes.load_image, to, math.prod(image))
        x = Channels(Buffer(to.reshape(slots, *image, 1), SLOT), image[0])
        self.calls.overwrites = True
        for link in links:
            x = link.layer().by_channels(x, self.calls, *link.weights)
        if x.size != (1, 1):
            raise Unsuited("its last layer is none of features")
        features = x.buffer.array.reshape(slots, -1)
        self.output = np.empty((shape[0], x.channels), np.float32)
        self.calls.add(channel_lanes.store_features, features, self.output, of=Buffer(self.output))
        phases = Phase(self.calls.first), Phase(self.calls.blocks, shape[0], shape[0])
        self._program = Program([p for p in phases if p.calls])
