"""Resize: bilinear, antialiased."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from npnet._checks import ShapeError, unknown_name
from npnet.transforms.images import Array, InterpolationMode, as_images, whole_numbers

__all__ = ["Resize"]

# Floats that one step of Resize works on, 8 MB of float32: enough to make the loop over chunks
# free, and small beside any data set.
_CHUNK = 1 << 21


class Resize:
    """Bilinear resize, antialiased: y = rows @ x @ columns.T for every map.

        rows[i, j] ~ max(0, 1 - |j + 0.5 - s * (i + 0.5)| / max(s, 1)),    s = H / OH,

    each row divided by its sum; columns alike. With antialias=False the triangle keeps the width
    of one pixel when the image shrinks. Values agree with torchvision's on tensors; in uint8 a
    value may differ by one level, as torchvision rounds after each axis and npnet once.

    Args:
        size: (OH, OW), or one number for the shorter side, which keeps the aspect ratio.
        interpolation: bilinear, by name or as InterpolationMode; no other yet.
        max_size: largest length of the longer side; only where size is one number.
        antialias: widen the triangle to cover every input pixel when the image shrinks.

    Shape: (..., C, H, W) -> (..., C, OH, OW), uint8 -> uint8 rounded to nearest, floats -> the same
    dtype. Where nothing changes, the input itself is returned.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: str | InterpolationMode = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool = True,
    ) -> None:
        self.size = size
        self._sides = whole_numbers("Resize", "size", size, counts=(1, 2), least=1)
        if max_size is not None and (len(self._sides) == 2 or max_size <= self._sides[0]):
            raise ValueError(
                "Resize: max_size must be larger than size, which must be one number, "
                f"got max_size={max_size}, size={size}"
            )
        self.interpolation = _bilinear(interpolation)
        self.max_size = max_size
        self.antialias = antialias

    def __call__(self, x: Any) -> Array:
        images = as_images("Resize", x)
        if images.dtype != np.uint8 and images.dtype.kind != "f":
            raise TypeError(f"Resize: images must be uint8 or float, got {images.dtype}")
        height, width = images.shape[-2:]
        out_height, out_width = self._out_size(height, width)
        if (out_height, out_width) == (height, width):
            return images
        rows = _weights(height, out_height, self.antialias)
        columns = _weights(width, out_width, self.antialias)
        y = np.empty((*images.shape[:-2], out_height, out_width), images.dtype)
        maps_in = images.reshape(-1, height, width)
        maps_out = y.reshape(-1, out_height, out_width)
        for part in _chunks(len(maps_in), height * max(width, out_width)):
            maps_out[part] = _resize_maps(maps_in[part], rows, columns)
        return y

    def __repr__(self) -> str:
        return (
            f"Resize(size={self.size}, interpolation={self.interpolation.value}, "
            f"max_size={self.max_size}, antialias={self.antialias})"
        )

    def _out_size(self, height: int, width: int) -> tuple[int, int]:
        """(OH, OW) for images of this size; the longer side is rounded down, as in torchvision."""
        if min(height, width) == 0:
            raise ShapeError(f"Resize: images must have pixels, got {height}x{width}")
        if len(self._sides) == 2:
            return self._sides[0], self._sides[1]
        short = self._sides[0]
        long = short * max(height, width) // min(height, width)
        if self.max_size is not None and long > self.max_size:
            short, long = max(1, self.max_size * short // long), self.max_size
        return (long, short) if width <= height else (short, long)


def _bilinear(interpolation: str | InterpolationMode) -> InterpolationMode:
    """BILINEAR, by name or as itself; an error for any other."""
    names = [mode.value for mode in InterpolationMode]
    name = interpolation.value if isinstance(interpolation, Enum) else interpolation
    if name not in names:
        raise ValueError("Resize: " + unknown_name("interpolation", str(name), names))
    if name != "bilinear":
        raise NotImplementedError(f"Resize: interpolation must be bilinear, got {name}")
    return InterpolationMode.BILINEAR


def _weights(size: int, out_size: int, antialias: bool) -> npt.NDArray[np.float64]:
    """Weights (out_size, size) of the input pixels in each output pixel, rows summing to 1."""
    scale = size / out_size
    centre = scale * (np.arange(out_size)[:, None] + 0.5)
    if not antialias:  # at the border the outermost pixel counts alone
        centre = np.clip(centre, 0.5, size - 0.5)
    reach = max(scale, 1.0) if antialias else 1.0
    distance = np.abs(np.arange(size) + 0.5 - centre)
    weights = np.maximum(0.0, 1.0 - distance / reach)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _chunks(count: int, size: int) -> Iterator[slice]:
    """Slices that cover range(count), each of at most _CHUNK floats where one takes `size`."""
    step = max(1, _CHUNK // size)
    return (slice(start, start + step) for start in range(0, count, step))


@np.errstate(all="ignore")  # NaN and infinity are values; each BLAS warns of others
def _resize_maps(maps: Array, rows: Array, columns: Array) -> Array:
    """rows (OH, H) @ maps (M, H, W) @ columns.T (W, OW), in the precision of the maps.

    Each map is a product of its own, so its bits do not depend on the batch it comes in.
    """
    dtype = np.float64 if maps.dtype == np.float64 else np.float32
    across = np.matmul(maps.astype(dtype, copy=False), columns.T.astype(dtype))
    y: Array = np.matmul(rows.astype(dtype), across)
    if maps.dtype == np.uint8:
        np.rint(y, out=y)
    return y
