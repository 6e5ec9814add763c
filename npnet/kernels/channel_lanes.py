"""Forward passes of a few images: sixteen channels, not sixteen images, are the lanes.

A block of one image costs as much as one of sixteen. Here images are (G, H, W, 16), with channel c
in lane c % 16 of group c // 16, which pooling and activations take for sixteen images of G
channels; only what mixes channels needs a kernel of its own. Lanes beyond the channels hold what
the kernels make of them, and nothing reads them.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numba
import numpy as np

from npnet.kernels import simd
from npnet.kernels._task import Facts, need, task, wider
from npnet.kernels.simd import LANES, TileShape

__all__ = ["PIXELS_SHAPE", "WHOLE_SHAPE", "Groups", "convolve_row", "load_image", "store_features"]

PIXELS_SHAPE = TileShape(8, 1)  # pixels x groups of outputs, where there are many pixels
WHOLE_SHAPE = TileShape(1, 4)  # and where the window is the whole image


@task(x="N F", y="S F", items="N")
def load_image(x, y, b):
    """Image `b` of x (N, C*H*W) -> the thread's slot of y (S, C*H*W)."""
    slot = np.intp(numba.get_thread_id())
    for i in range(x.shape[1]):
        y[slot, i] = x[b, i]


@task(x="S W", y="N F", items="N", also=wider)
def store_features(x, y, b):
    """The features in the thread's slot of x (S, F or more) -> row `b` of y (N, F)."""
    slot = np.intp(numba.get_thread_id())
    for i in range(y.shape[1]):
        y[b, i] = x[slot, i]


class Groups(NamedTuple):
    """The images, (C / group, H, W, group), and the windows on them.

    Attributes:
        shape: the tile of pixels x groups of outputs that stays in registers.
        group: how many channels stand side by side: 16, or one for images as they come.
    """

    shape: Annotated[Any, "tile"]
    channels: Annotated[int, "int"]
    group: Annotated[int, "int"]
    height: Annotated[int, "int"]
    width: Annotated[int, "int"]
    kh: Annotated[int, "int"]
    kw: Annotated[int, "int"]
    sh: Annotated[int, "int"]
    sw: Annotated[int, "int"]


def _groups(f: Facts) -> None:
    """There is room for the images, the taps and the groups of outputs."""
    need(f, min(f.plan[1:]) > 0, "its numbers must be positive")
    need(f, f.group in (1, LANES), f"group must be 1 or {LANES}, got {f.group}")
    room = -(-f.channels // f.group) * f.height * f.width * f.group
    need(f, room <= f.L, f"x must have {room} numbers for an image, got {f.L}")
    need(f, f.channels * f.kh * f.kw == f.T, f"w must have {f.T} taps")
    need(f, f.GL == f.G * LANES, f"bias must have {f.G * LANES} numbers, got {f.GL}")
    need(f, f.G % f.shape.columns == 0, f"groups must be a multiple of {f.shape.columns}")
    inside = (f.OH - 1) * f.sh + f.kh <= f.height and (f.OW - 1) * f.sw + f.kw <= f.width
    need(f, inside, "the windows must lie inside the image")


@task(plan=Groups, x="S L", w="G T 16", bias="GL", y="S G OH OW 16", items="S OH", also=_groups)
def convolve_row(plan, x, w, bias, y, k):
    """Row `k` of all y's rows: y[o, i, j] = bias[o] + sum of w[o, c, u, v] * x[c, i*SH+u, j*SW+v].

    x (S, C*H*W or more), w (G, C*KH*KW, 16), bias (G * 16,) -> y (S, G, OH, OW, 16), whose rows are
    counted without groups; G is a multiple of the tile's columns.
    """
    shape, channels, group, height, width, kh, kw, sh, sw = plan
    _, groups, out_height, out_width, _ = y.shape
    slot, i = k // out_height, k % out_height
    rows, columns, taps = simd.rows(shape), simd.columns(shape), channels * kh * kw
    image = slot * x.shape[1]
    for g in range(0, groups, columns):
        for j in range(0, out_width, rows):
            last = min(rows, out_width - j) - 1
            acc = simd.load_tile(shape, bias, g * LANES, 0, last, LANES)
            start = g * taps * LANES
            for c in range(channels):
                first = image + c // group * height * width * group + c % group
                for u in range(kh):
                    at = first + ((i * sh + u) * width + j * sw) * group
                    for _ in range(kw):
                        acc = simd.add_row_products(
                            acc, x, at, sw * group, last, w, start, taps * LANES
                        )
                        at += group
                        start += LANES
            place = (((slot * groups + g) * out_height + i) * out_width + j) * LANES
            down = out_height * out_width * LANES
            simd.store_tile(acc, y, place, LANES, down, last + 1, columns)
