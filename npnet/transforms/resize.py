"""Resize: a weighted sum of pixels along rows, then along columns."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from npnet.base.checks import ShapeError
from npnet.base.pictures import array_to_picture, picture_to_array, pillow
from npnet.base.threads import map_in_order
from npnet.transforms.base import Transform
from npnet.transforms.images import Array, InterpolationMode, interpolation_mode, whole_numbers

__all__ = ["Resize"]

Weights = npt.NDArray[np.float64]
Filter = Callable[[Weights], Weights]

# Floats that one step of Resize works on, 8 MB of float32: enough to make the loop over chunks
# free, and small beside any data set.
_CHUNK = 1 << 21
_CHUNK_OF_PICTURES = (
    1 << 15
)  # in float64, with a pass over them for each step: they stay in the cache
_PILLOW_BITS = 22  # Pillow's weights of uint8 pictures are multiples of 2^-22
_PROBE = 2000  # pixels that decide whether values are Pillow's
_ON_TENSORS = ("NEAREST", "NEAREST_EXACT", "BILINEAR", "BICUBIC")


class Resize(Transform):
    """Resize, by default bilinear and antialiased: y = rows @ x @ columns.T for every map.

        rows[i, j] ~ f((j + 0.5 - s * (i + 0.5)) / max(s, 1)),    s = H / OH,

    each row divided by its sum; columns alike. f is max(0, 1 - |t|) for bilinear and a cubic spline
    for bicubic. Nearest takes one pixel. With antialias=False f keeps the width of one pixel when
    the image shrinks.

    On Tensors values agree with torchvision's; in uint8 a value may differ by one level from
    torchvision's v2, which rounds after each axis, as Pillow does. PIL images have Pillow's values,
    also in data sets, which resize whole batches.

    Args:
        size: (OH, OW), or one number for the shorter side, which keeps the aspect ratio.
        interpolation: an InterpolationMode, its name, or Pillow's constant; Tensors take nearest,
            nearest-exact, bilinear and bicubic, PIL images all.
        max_size: largest length of the longer side; only where size is one number.
        antialias: let f cover every input pixel when the image shrinks. PIL images always are,
            and nearest never is.

    Shape: (..., H, W) -> (..., OH, OW); integers are rounded to nearest, dtype unchanged. Where
    nothing changes, the input itself is returned.

    Example:
        >>> npnet.transforms.Resize(16)(npnet.zeros(3, 32, 64)).shape
        (3, 16, 32)
        >>> nearest = npnet.transforms.Resize((1, 2), "nearest")
        >>> nearest(npnet.tensor([[[1, 3, 5, 7]]]))
        tensor([[[1, 5]]])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: str | int | InterpolationMode = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = size
        self.max_size = max_size
        self._sides()
        self.interpolation = interpolation_mode("Resize", interpolation)
        self.antialias = antialias

    def transform(self, images: Array, rng: np.random.Generator | None = None) -> Array:
        if images.dtype.kind not in "fiu":
            raise TypeError(f"Resize: images must be numbers, got {images.dtype}")
        size = self._out_size(*images.shape[2:])
        if size == images.shape[2:]:
            return images
        mode = self.interpolation
        if mode.name not in _ON_TENSORS:
            raise ValueError(
                f"Resize: interpolation of Tensors must be nearest, nearest-exact, bilinear or "
                f"bicubic, got {mode.value}; PIL images take it: put ToTensor() after it"
            )
        if mode.name.startswith("NEAREST"):
            rows, columns = map(_nearest, images.shape[2:], size, (mode.name != "NEAREST",) * 2)
            return images[:, :, rows[:, None], columns]
        weigh = _antialiased if self.antialias else _interpolating
        weights = [
            weigh(have, want, mode) for have, want in zip(images.shape[2:], size, strict=True)
        ]
        return _by_maps(images, size, lambda maps: _resize_maps(maps, *weights), _CHUNK)

    def picture(self, picture: Any, rng: np.random.Generator | None = None) -> Any:
        width, height = picture.size
        size = self._out_size(height, width)
        if size == (height, width):
            return picture
        self._warn_of_pillow()
        return picture.resize(size[::-1], self.interpolation.pillow)

    def pictures(self, images: Array, rng: np.random.Generator) -> Array:
        """Pillow's arithmetic for its bilinear and bicubic filters, on the whole batch."""
        size = self._out_size(*images.shape[2:])
        if size == images.shape[2:]:
            return images
        resize = _as_pillow(images.shape[2:], size, self.interpolation)
        if resize is None:
            return super().pictures(images, rng)
        self._warn_of_pillow()
        return _by_maps(images, size, resize, _CHUNK_OF_PICTURES)

    def _warn_of_pillow(self) -> None:
        if self.antialias is False and self.interpolation.name in ("BILINEAR", "BICUBIC"):
            warnings.warn(
                "Resize: antialias=False holds for Tensors; Pillow resizes PIL images antialiased",
                stacklevel=2,
            )

    def __repr__(self) -> str:
        return (
            f"Resize(size={self.size}, interpolation={self.interpolation.value}, "
            f"max_size={self.max_size}, antialias={self.antialias})"
        )

    def _sides(self) -> tuple[int, ...]:
        """`size` as a tuple, once it is checked."""
        sides = whole_numbers("Resize", "size", self.size, counts=(1, 2), least=1)
        if self.max_size is not None and (len(sides) == 2 or self.max_size <= sides[0]):
            raise ValueError(
                "Resize: max_size must be larger than size, which must be one number, "
                f"got max_size={self.max_size}, size={self.size}"
            )
        return sides

    def _out_size(self, height: int, width: int) -> tuple[int, int]:
        """(OH, OW) for images of this size; the longer side is rounded down, as in torchvision."""
        if min(height, width) == 0:
            raise ShapeError(f"Resize: images must have pixels, got {height}x{width}")
        short, *other = self._sides()
        if other:
            return short, other[0]
        long = short * max(height, width) // min(height, width)
        if self.max_size is not None and long > self.max_size:
            short, long = max(1, self.max_size * short // long), self.max_size
        return (long, short) if width <= height else (short, long)


# ---- weights -----------------------------------------------------------------------------------


def _triangle(t: Weights) -> Weights:
    return np.maximum(0.0, 1.0 - np.abs(t))


def _cubic(t: Weights, a: float = -0.5) -> Weights:
    """Keys's spline: Keys (1981), Cubic convolution interpolation for digital image processing."""
    t = np.abs(t)
    inner = ((a + 2.0) * t - (a + 3.0)) * t * t + 1
    outer = (((t - 5) * t + 8) * t - 4) * a
    return np.where(t < 1, inner, np.where(t < 2, outer, 0.0))


# f and how far it reaches.
_FILTERS: dict[InterpolationMode, tuple[Filter, float]] = {
    InterpolationMode.BILINEAR: (_triangle, 1.0),
    InterpolationMode.BICUBIC: (_cubic, 2.0),
}


def _antialiased(size: int, out_size: int, mode: InterpolationMode) -> Weights:
    """Weights (out_size, size) of the input pixels in each output pixel, rows summing to 1."""
    scale = size / out_size
    centre = scale * (np.arange(out_size)[:, None] + 0.5)
    kernel, _ = _FILTERS[mode]
    weights = kernel((np.arange(size) + 0.5 - centre) / max(scale, 1.0))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _interpolating(size: int, out_size: int, mode: InterpolationMode) -> Weights:
    """The same where each output pixel sees its two (bicubic: four) neighbours alone.

    Neighbours beyond the border are the outermost pixel; torch's cubic spline has a = -0.75.
    """
    at = size / out_size * (np.arange(out_size) + 0.5) - 0.5
    left = np.floor(at).astype(np.intp)
    weights = np.zeros((out_size, size))
    bilinear = mode == InterpolationMode.BILINEAR
    for step in (0, 1) if bilinear else (-1, 0, 1, 2):
        t = left + step - at
        value = _triangle(t) if bilinear else _cubic(t, -0.75)
        np.add.at(weights, (np.arange(out_size), np.clip(left + step, 0, size - 1)), value)
    return weights


def _nearest(size: int, out_size: int, exact: bool) -> npt.NDArray[np.intp]:
    """The input pixel of each output pixel, torch's way: in float32, and unless `exact` the one
    left of the nearest."""
    scale = np.float32(size) / np.float32(out_size)
    places = (np.arange(out_size, dtype=np.float32) + np.float32(0.5 if exact else 0)) * scale
    return np.minimum(np.floor(places).astype(np.intp), size - 1)


def _pillow_weights(size: int, out_size: int, mode: InterpolationMode) -> Weights:
    """The same in Pillow's order of operations, rounded to multiples of 2^-22.

    Source: Pillow, src/libImaging/Resample.c, precompute_coeffs and normalize_coeffs_8bpc.
    """
    kernel, reach = _FILTERS[mode]
    scale = size / out_size
    widened = max(scale, 1.0)
    centre = (np.arange(out_size)[:, None] + 0.5) * scale
    first = np.maximum(np.trunc(centre - reach * widened + 0.5), 0)
    end = np.minimum(np.trunc(centre + reach * widened + 0.5), size)
    j = np.arange(size)
    weights = kernel((j - centre + 0.5) * (1.0 / widened))
    weights = np.where((j >= first) & (j < end), weights, 0.0)
    weights = weights / np.cumsum(weights, axis=1)[:, -1:]  # cumsum adds one by one, as Pillow
    whole = np.trunc(weights * 2.0**_PILLOW_BITS + np.where(weights < 0, -0.5, 0.5))
    return np.asarray(whole * 2.0**-_PILLOW_BITS)


# ---- sums --------------------------------------------------------------------------------------


def _by_maps(
    images: Array, size: tuple[int, int], resize: Callable[[Array], Array], most: int
) -> Array:
    """resize(maps (M, H, W)) for all maps of (N, C, H, W), as many at a time as `most` floats."""
    y = np.empty((*images.shape[:2], *size), images.dtype)
    maps_in, maps_out = images.reshape(-1, *images.shape[2:]), y.reshape(-1, *size)

    def do(part: slice) -> None:
        maps_out[part] = resize(maps_in[part])

    of_one = images.shape[2] * max(images.shape[3], size[1])
    map_in_order(do, _chunks(len(maps_in), of_one, most))
    return y


def _chunks(count: int, size: int, most: int) -> Iterator[slice]:
    """Slices that cover range(count), each of at most `most` floats where one takes `size`."""
    step = max(1, most // size)
    return (slice(start, start + step) for start in range(0, count, step))


@np.errstate(all="ignore")  # NaN and infinity are values; each BLAS warns of others
def _resize_maps(maps: Array, rows: Weights, columns: Weights) -> Array:
    """rows (OH, H) @ maps (M, H, W) @ columns.T (W, OW), in the precision of the maps.

    Each map is a product of its own, so its bits do not depend on the batch it comes in.
    """
    dtype = np.float64 if maps.dtype == np.float64 else np.float32
    across = np.matmul(maps.astype(dtype, copy=False), columns.T.astype(dtype))
    y: Array = np.matmul(rows.astype(dtype), across)
    if maps.dtype.kind != "f":
        np.rint(y, out=y)
    if maps.dtype == np.uint8 and min(rows.min(), columns.min()) < 0:  # a cubic spline overshoots
        np.clip(y, 0, 255, out=y)
    return y


@functools.lru_cache(maxsize=256)
def _as_pillow(
    size: tuple[int, int], out_size: tuple[int, int], mode: InterpolationMode
) -> Callable[[Array], Array] | None:
    """What resizes maps (M, H, W) to the values of the installed Pillow; None where nothing here
    does.

    Which axis Pillow resizes first, and so what is rounded, depends on its version and the sizes:
    random pictures tell. Without Pillow it is along rows, as up to Pillow 12.
    """
    if mode not in _FILTERS:
        return None
    weights = [_pillow_weights(*sides, mode) for sides in zip(size, out_size, strict=True)]
    ways = [functools.partial(_resize_pictures, weights=weights, axes=a) for a in ((1, 0), (0, 1))]
    try:
        pillow("a check of Resize")
    except ImportError:
        return ways[0]
    count = 1 + _PROBE // (out_size[0] * out_size[1])
    maps = np.random.default_rng(0).integers(0, 256, (count, *size), np.uint8)
    resized = [array_to_picture(m[None]).resize(out_size[::-1], mode.pillow) for m in maps]
    expected = np.concatenate([picture_to_array(picture) for picture in resized])
    return next((way for way in ways if np.array_equal(way(maps), expected)), None)


def _resize_pictures(maps: Array, weights: Sequence[Weights], axes: Sequence[int]) -> Array:
    """The same with Pillow's weights of rows and columns, rounded after each axis, in this order.

    Every product and sum is a multiple of 2^-22 below 2^31, so float64 has the values of Pillow's
    integers, in any order of addition. An axis whose length stays is left alone, as in Pillow.
    """
    y = maps.astype(np.float64)
    for axis in axes:
        matrix = weights[axis]
        if matrix.shape[0] == matrix.shape[1]:
            continue
        if axis == 0:
            y = np.matmul(matrix, y)
        else:
            y = (y.reshape(-1, y.shape[2]) @ matrix.T).reshape(*y.shape[:2], -1)
        y += 0.5
        np.floor(y, out=y)
        if matrix.min() < 0:  # a cubic spline overshoots
            np.clip(y, 0, 255, out=y)
    return y
