"""The weights of a convolution as a dense matrix, and back, for programs: see `lanes.dense`.

Each window covers the whole image, so that the matrix has a weight for each of its pixels:

    matrix[o, i, j, c, h, w] = weight[o, c, h + top - i * sh, w + left - j * sw]
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np

from npnet.kernels._task import Facts, need, task

__all__ = ["Places", "gather_output", "scatter_output"]


class Places(NamedTuple):
    """Where windows (OH, OW) lie on an image (H, W).

    Attributes:
        top, left: zeros before the first pixel.
        sh, sw: strides.
    """

    top: Annotated[int, "int"]
    left: Annotated[int, "int"]
    sh: Annotated[int, "int"]
    sw: Annotated[int, "int"]
    oh: Annotated[int, "int"]
    ow: Annotated[int, "int"]
    height: Annotated[int, "int"]
    width: Annotated[int, "int"]


def _covered(f: Facts) -> None:
    """Each window covers the image, and the matrix has its weights."""
    numbers = f.sh, f.sw, f.oh, f.ow, f.height, f.width
    need(f, min(numbers) > 0 and min(f.top, f.left) >= 0, "its numbers must be positive")
    for before, step, count, size, taps in (
        (f.top, f.sh, f.oh, f.height, f.KH), (f.left, f.sw, f.ow, f.width, f.KW),
    ):  # fmt: skip
        inside = before >= (count - 1) * step and size - 1 + before < taps
        need(f, inside, "windows must cover all of an image")
    need(f, f.O * f.oh * f.ow == f.R, f"the matrix must have {f.O * f.oh * f.ow} rows, not {f.R}")
    wide = f.C * f.height * f.width
    need(f, wide == f.F, f"the matrix must have {wide} columns, not {f.F}")


@task(weight="O C KH KW", places=Places, matrix="R F", items="O", also=_covered)
def gather_output(weight, places, matrix, o):
    """The rows of output `o` of the matrix (O * OH * OW, C * H * W)."""
    top, left, sh, sw, oh, ow, height, width = places
    for i in range(oh):
        for j in range(ow):
            row = (o * oh + i) * ow + j
            for c in range(weight.shape[1]):
                for h in range(height):
                    to = (c * height + h) * width
                    for w in range(width):
                        matrix[row, to + w] = weight[o, c, h + top - i * sh, w + left - j * sw]


@task(
    gmatrix="R F", places=Places, gweight="O C KH KW", spoiled="O: bool", items="O", also=_covered
)
def scatter_output(gmatrix, places, gweight, spoiled, o):
    """gweight[o] from the gradient of the matrix; whether that is spoiled by NaN or infinity.

    A tap that saw nothing but zeros would not get the NaN that 0 * NaN is.
    """
    top, left, sh, sw, oh, ow, height, width = places
    gweight[o] = 0
    bad = np.float32(0)
    for i in range(oh):
        for j in range(ow):
            row = (o * oh + i) * ow + j
            for c in range(gweight.shape[1]):
                for h in range(height):
                    start = (c * height + h) * width
                    for w in range(width):
                        value = gmatrix[row, start + w]
                        bad += value * np.float32(0)
                        gweight[o, c, h + top - i * sh, w + left - j * sw] += value
    spoiled[o] = bad != 0
