"""What convolutions and pools have in common: windows, and putting their gradients back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.grading.kinds.base import Sample
from npnet.ops.windows import Window, sliding

__all__ = ["columns", "image_of", "output_size", "scattered", "window_of"]


def window_of(init: Mapping[str, Any], stride: int | None = None) -> Window:
    """The windows of a layer's arguments; a pool's stride is its kernel where none is given."""
    k, p = init["kernel_size"], init.get("padding", 0)
    s = stride or init.get("stride") or (1 if "in_channels" in init else k)
    return Window((k, k), (s, s), ((p, p), (p, p)))


def output_size(init: Mapping[str, Any], size: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of y for x of (N, C, H, W)."""
    channels = init.get("out_channels", size[1])
    return (size[0], channels, *window_of(init).output_size(size[2:]))


def columns(x: Array, window: Window, value: float = 0) -> Array:
    """Every window: (N, C, OH, OW, KH, KW)."""
    return sliding(x, window, value)


def scattered(
    parts: Array,
    window: Window,
    shape: tuple[int, ...],
    assign: bool = False,
    apart: int | None = None,
    crop: str = "middle",
) -> Array:
    """Gradients of windows (N, C, OH, OW, KH, KW) put back into images of `shape`.

    Args:
        assign: the mistake of = for +=.
        apart: pixels between windows, where it is not their stride.
        crop: what is kept of the padded images: middle, first (the upper left), all.
    """
    n, c, h, w = shape
    (p, _), _ = window.padding
    (kh, kw), (sh, sw) = window.kernel, window.stride if apart is None else (apart, apart)
    image = np.zeros((n, c, h + 2 * p, w + 2 * p))
    for i in range(parts.shape[2]):
        for j in range(parts.shape[3]):
            place = image[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw]
            part = parts[:, :, i, j, : place.shape[2], : place.shape[3]]
            place[...] = part if assign else place + part
    if crop == "all":
        return image
    first = p if crop == "middle" else 0
    return image[:, :, first : first + h, first : first + w]


def image_of(s: Sample) -> tuple[Array, Array]:
    """x and gy of a call that has both."""
    assert s.gy is not None
    return s.x, s.gy
