"""Image transforms in torchvision's spelling, each working on a whole batch at once.

A transform takes an ndarray (N, C, H, W) or (C, H, W) and returns one with as many axes; a data set
hands it a batch, so one call does the work of N. Pixels are uint8 from 0 to 255 or floats. An
npnet Tensor is accepted too and gives an ndarray: transforms come before the tape.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet._checks import ShapeError, check_number, unknown_name

__all__ = ["Compose", "InterpolationMode", "Normalize", "Pad", "Resize", "ToTensor"]

Array: TypeAlias = npt.NDArray[Any]

# Floats that one step of Resize works on, 8 MB of float32: enough to make the loop over chunks
# free, and small beside any data set.
_CHUNK = 1 << 21


class InterpolationMode(Enum):
    """Names of the ways to interpolate, as in torchvision; Resize takes BILINEAR."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


class Compose:
    """Apply one transform after the other.

    Args:
        transforms: callables, each from ndarray to ndarray.
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, x: Any) -> Any:
        for transform in self.transforms:
            x = transform(x)
        return x

    def __repr__(self) -> str:
        return "\n".join(["Compose(", *(f"    {t}" for t in self.transforms), ")"])


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
        self._sides = _whole_numbers("Resize", "size", size, counts=(1, 2), least=1)
        if max_size is not None and (len(self._sides) == 2 or max_size <= self._sides[0]):
            raise ValueError(
                "Resize: max_size must be larger than size, which must be one number, "
                f"got max_size={max_size}, size={size}"
            )
        self.interpolation = _bilinear(interpolation)
        self.max_size = max_size
        self.antialias = antialias

    def __call__(self, x: Any) -> Array:
        images = _images("Resize", x)
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


class ToTensor:
    """uint8 from 0 to 255 -> float32 from 0 to 1, dividing by 255; other dtypes stay as they are.

    Unlike torchvision's, it does not move axes: images here are already (C, H, W).

    Shape: (N, C, H, W) or (C, H, W), unchanged.
    """

    def __call__(self, x: Any) -> Array:
        images = _images("ToTensor", x)
        if images.dtype != np.uint8:
            return images
        return images.astype(np.float32) / np.float32(255)

    def __repr__(self) -> str:
        return "ToTensor()"


class Normalize:
    """y = (x - mean[c]) / std[c] in each channel c, computed in the dtype of x.

    Args:
        mean, std: one number for each channel, or one for all; std must not be 0.
        inplace: write the result over x.

    Shape: (N, C, H, W) or (C, H, W), floats, unchanged.
    """

    def __init__(
        self, mean: float | Sequence[float], std: float | Sequence[float], inplace: bool = False
    ) -> None:
        for name, values in (("mean", mean), ("std", std)):
            for value in np.atleast_1d(values):
                check_number("Normalize", name, float(value))
        if np.any(np.asarray(std, np.float32) == 0):
            raise ValueError(f"Normalize: std must not be 0 in float32, got {std}")
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def __call__(self, x: Any) -> Array:
        images = _images("Normalize", x)
        if images.dtype.kind != "f":
            raise TypeError(
                f"Normalize: images must be float, got {images.dtype} (put ToTensor() before it)"
            )
        mean = self._per_channel("mean", self.mean, images)
        std = self._per_channel("std", self.std, images)
        y = np.subtract(images, mean, out=images if self.inplace else None)
        y /= std
        return y

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"

    def _per_channel(self, name: str, values: float | Sequence[float], images: Array) -> Array:
        """The values as (C, 1, 1) or (1, 1, 1), in the dtype of the images."""
        array = np.atleast_1d(np.asarray(values, images.dtype))
        if array.size not in (1, images.shape[-3]):
            raise ShapeError(
                f"Normalize: {name} must have one number for each channel, got {array.size} for "
                f"{images.shape[-3]}; images.shape = {images.shape}"
            )
        return array.reshape(-1, 1, 1)


class Pad:
    """Add pixels on the borders; Pad(2) makes LeNet's 32x32 of MNIST's 28x28.

    Args:
        padding: pixels on every side, or (left and right, top and bottom), or (left, top, right,
            bottom), as in torchvision.
        fill: value of the new pixels in the constant mode.
        padding_mode: constant, edge, reflect or symmetric.

    Shape: (..., H, W) -> (..., top + H + bottom, left + W + right), dtype unchanged.
    """

    def __init__(
        self, padding: int | Sequence[int], fill: float = 0, padding_mode: str = "constant"
    ) -> None:
        sides = _whole_numbers("Pad", "padding", padding, counts=(1, 2, 4), least=0)
        modes = ("constant", "edge", "reflect", "symmetric")
        if padding_mode not in modes:
            raise ValueError("Pad: " + unknown_name("padding_mode", padding_mode, modes))
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode
        self._borders = sides * (4 // len(sides))

    def __call__(self, x: Any) -> Array:
        images = _images("Pad", x)
        left, top, right, bottom = self._borders
        widths = [(0, 0)] * (images.ndim - 2) + [(top, bottom), (left, right)]
        if self.padding_mode == "constant":
            return np.pad(images, widths, constant_values=self.fill)
        mode: Any = self.padding_mode  # checked above; NumPy's stubs know literal names alone
        return np.asarray(np.pad(images, widths, mode=mode))

    def __repr__(self) -> str:
        return f"Pad(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"


def _images(op: str, x: Any) -> Array:
    """The ndarray of an ndarray or Tensor of images; ShapeError unless it has 3 or 4 axes."""
    array = np.asarray(getattr(x, "array", x))
    if array.ndim not in (3, 4):
        raise ShapeError(
            f"{op}: images must have 4 axes (N, C, H, W) or 3 axes (C, H, W), "
            f"got {array.ndim}: shape = {array.shape}"
        )
    return array


def _whole_numbers(
    op: str, name: str, value: int | Sequence[int], counts: tuple[int, ...], least: int
) -> tuple[int, ...]:
    """One number or a sequence as a tuple, of an allowed length, whole and not below `least`."""
    sides = tuple(value) if isinstance(value, Sequence) else (value,)
    if len(sides) not in counts or not all(isinstance(side, numbers.Integral) for side in sides):
        allowed = " or ".join(map(str, counts))
        raise ValueError(f"{op}: {name} must be {allowed} whole numbers, got {value!r}")
    for side in sides:
        check_number(op, name, side, least=least)
    return tuple(int(side) for side in sides)


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
