"""Batches of images, gathered by their numbers and standardised on the way.

The arithmetic is that of `npnet.transforms`, operation by operation in float32: the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import lanes
from npnet.kernels._arguments import Rule, check_numbers
from npnet.kernels._task import task

__all__ = ["gather", "gather_image"]


_BATCH = Rule(
    "gather", empty="N C H W n",
    x="N C H W: uint8 readable", at="n: int64 readable", mean="C", std="C",
)  # fmt: skip


def gather(x: Array, at: Array, mean: Array, std: Array) -> Array:
    """y[i, c, h, w] = (x[at[i], c, h, w] / 255 - mean[c]) / std[c].

    Args:
        x: uint8, C-contiguous.
        at: which images, from 0.
        mean, std: (C,) float32.

    Shape: x (N, C, H, W), at (n,) int64 -> y (n, C, H, W) float32.

    Raises:
        IndexError: there is no such image.
    """
    _BATCH(x, at, mean, std)
    y = lanes.empty((len(at), *x.shape[1:]))
    maps = (x.shape[1], x.shape[2] * x.shape[3])
    gather_image(x.reshape(len(x), *maps), at, mean, std, y.reshape(len(y), *maps))
    return y


def _numbers(arguments: tuple[Any, ...]) -> None:
    check_numbers("gather_image", "at", arguments[1], len(arguments[0]))


@task(
    x="N C P: uint8 readable", at="n: int64 readable", mean="C", std="C", y="n C P", items="n",
    values=_numbers, empty="N C P n",
)  # fmt: skip
def gather_image(x, at, mean, std, y, i):
    """Image `i` of y (n, C, H * W)."""
    whole = np.float32(255)
    for c in range(y.shape[1]):
        pixels, row, m, s = x[at[i], c], y[i, c], mean[c], std[c]
        for k in range(row.size):
            row[k] = (np.float32(pixels[k]) / whole - m) / s
