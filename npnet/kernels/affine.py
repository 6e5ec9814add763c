"""Affine transforms of bytes: each pixel of the output looks for its source in the input.

The arithmetic is that of `npnet.transforms.affine`, operation by operation in float32: the same
bits.
"""

from __future__ import annotations

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels._arguments import Rule
from npnet.kernels._jit import kernel
from npnet.kernels._task import task

__all__ = ["affine", "affine_image"]


_AFFINE = Rule(
    "affine", empty="N C H W",
    images="N C H W: uint8 readable", matrices="N 2 3: floats", fill="C: floats",
)  # fmt: skip

ONE, ZERO, HALF = np.float32(1), np.float32(0), np.float32(0.5)


def affine(images: Array, matrices: Array, bilinear: bool, fill: Array) -> Array:
    """See `npnet.transforms.affine.affine`.

    Args:
        images: (N, C, H, W) uint8, C-contiguous.
        matrices: (N, 2, 3), output to source, from the middle.
        fill: (C,).
    """
    _AFFINE(images, matrices, fill)
    y = np.empty_like(images)
    rows, colours = (np.require(a, np.float32, ("C", "W", "A")) for a in (matrices, fill))
    affine_image(images, rows.reshape(-1, 6), bool(bilinear), colours, y)
    return y


@task(
    x="N C H W: uint8 readable", matrices="N 6", bilinear="flag", fill="C", y="N C H W: uint8",
    items="N", empty="N C H W",
)  # fmt: skip
def affine_image(x, matrices, bilinear, fill, y, i):
    """Image `i` of y (N, C, H, W)."""
    for c in range(y.shape[1]):
        if bilinear:
            bilinear_map(x[i, c], matrices[i], fill[c], y[i, c])
        else:
            nearest_map(x[i, c], matrices[i], fill[c], y[i, c])


# The loops below call nothing that takes an array: that would count its references at every pixel.


@kernel
def nearest_map(x, matrix, fill, y):
    """One channel (H, W): the pixel nearest to the source, or `fill` where that is outside."""
    height, width = y.shape
    a, b, c, d, e, f = matrix[0], matrix[1], matrix[2], matrix[3], matrix[4], matrix[5]
    middle_x, middle_y = np.float32(width) * HALF - HALF, np.float32(height) * HALF - HALF
    for i in range(height):
        down = np.float32(i) - middle_y
        for j in range(width):
            across = np.float32(j) - middle_x
            column = int(np.rint(a * across + b * down + c + middle_x))
            row = int(np.rint(d * across + e * down + f + middle_y))
            value = fill
            if 0 <= row < height and 0 <= column < width:
                value = np.float32(x[row, column])
            y[i, j] = np.uint8(np.rint(value))


@kernel
def bilinear_map(x, matrix, fill, y):
    """One channel (H, W): four pixels around the source, and `fill` for the share outside."""
    height, width = y.shape
    a, b, c, d, e, f = matrix[0], matrix[1], matrix[2], matrix[3], matrix[4], matrix[5]
    middle_x, middle_y = np.float32(width) * HALF - HALF, np.float32(height) * HALF - HALF
    for i in range(height):
        down = np.float32(i) - middle_y
        for j in range(width):
            across = np.float32(j) - middle_x
            source_x = a * across + b * down + c + middle_x
            source_y = d * across + e * down + f + middle_y
            left, top = np.floor(source_x), np.floor(source_y)
            right_share, lower_share = source_x - left, source_y - top
            total, covered = ZERO, ZERO
            for corner in range(4):
                row, column = int(top) + (corner >> 1), int(left) + (corner & 1)
                vertical = lower_share if corner >> 1 else ONE - lower_share
                weight = vertical * (right_share if corner & 1 else ONE - right_share)
                if 0 <= row < height and 0 <= column < width:
                    total += weight * np.float32(x[row, column])
                    covered += weight
            y[i, j] = np.uint8(np.rint(covered * total + (ONE - covered) * fill))
