"""One image at a time, with sixteen channels in the lanes: how few images go through a network.

Of one image, fifteen lanes of sixteen are idle in the other layout. Here a vector holds a pixel of
sixteen channels: an image is (G, H, W, 16) with G groups of them, or, as it comes, (C, H, W, 1).
"""

from __future__ import annotations

from typing import NamedTuple

from npnet.base.arrays import Array
from npnet.kernels import channel_lanes, lanes
from npnet.kernels.program import SLOT
from npnet.kernels.simd import LANES
from npnet.lanes.plan import Buffer, Calls
from npnet.lanes.unsuited import Unsuited
from npnet.ops.windows import Pair, Window

__all__ = ["Channels", "convolve"]


class Channels(NamedTuple):
    """`channels` of one image for each thread: (S, G, H, W, 16), or (S, C, H, W, 1)."""

    buffer: Buffer
    channels: int

    @property
    def size(self) -> Pair:
        """(H, W)."""
        return self.buffer.size

    @property
    def grouped(self) -> bool:
        """Whether the channels are in the lanes."""
        return self.buffer.array.shape[-1] == LANES


def convolve(
    x: Channels, weight: Array, bias: Array | None, window: Window, out: Calls
) -> Channels:
    """A convolution, or a linear layer as one whose window is the whole image.

    Raises:
        Unsuited: it is padded.
    """
    if window.is_padded:
        raise Unsuited("a convolution is padded")
    outputs, size = len(weight), window.output_size(x.size)
    tile = channel_lanes.WHOLE_SHAPE if size == (1, 1) else channel_lanes.PIXELS_SHAPE
    groups = -(-lanes.block_count(outputs) // tile.columns) * tile.columns
    w = lanes.zeros((groups, weight.size // outputs, LANES))
    b = lanes.zeros((groups, 1, LANES))
    _pack(weight.reshape(outputs, -1), w, out)
    if bias is not None:
        _pack(bias.reshape(outputs, 1), b, out)
    y = out.empty((groups, *size), SLOT)
    images = x.buffer.array
    sizes = x.channels, images.shape[-1], *x.size
    plan = channel_lanes.Groups(tile, *sizes, *window.kernel, *window.stride)
    arguments = plan, images.reshape(len(images), -1), w, b.reshape(-1), y.array
    out.add(channel_lanes.convolve_row, *arguments, of=y)
    return Channels(y, outputs)


def _pack(rows: Array, packed: Array, out: Calls) -> None:
    """Outputs are put into lanes as images are, anew in each run: they may have changed."""
    room = packed[: lanes.block_count(len(rows))]
    out.before(lanes.block_to_lanes, rows, room)
