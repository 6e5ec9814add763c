"""RandomInvert, RandomPosterize, RandomSolarize, RandomAdjustSharpness, RandomAutocontrast,
RandomEqualize: what changes the tones of an image, and the same of every image."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from npnet.base.checks import check_number
from npnet.transforms.base import RandomTransform
from npnet.transforms.colour import blend, check_channels
from npnet.transforms.images import Array

__all__ = [
    "RandomAdjustSharpness",
    "RandomAutocontrast",
    "RandomEqualize",
    "RandomInvert",
    "RandomPosterize",
    "RandomSolarize",
    "autocontrast",
    "equalize",
    "invert",
    "posterize",
    "sharpness",
    "solarize",
]


def largest(dtype: np.dtype[Any]) -> int:
    """The value of white: 1 in floats, the largest of an integer."""
    return 1 if dtype.kind in "fb" else int(np.iinfo(dtype).max)


def invert(images: Array) -> Array:
    """y = white - x.  Shape: (N, 1 or 3, H, W), unchanged."""
    check_channels("invert", images)
    return images.dtype.type(largest(images.dtype)) - images


def posterize(images: Array, bits: int) -> Array:
    """The upper `bits` of the eight bits of each value.  Shape: (N, 1 or 3, H, W) uint8."""
    check_channels("posterize", images)
    _check_bytes("posterize", images)
    return images & np.uint8(-int(2 ** (8 - bits)) & 0xFF)


def solarize(images: Array, threshold: float) -> Array:
    """y = white - x where x >= threshold, else x.  Shape: (N, 1 or 3, H, W), unchanged."""
    check_channels("solarize", images)
    if threshold > largest(images.dtype):
        raise TypeError(
            f"solarize: threshold must be at most the {largest(images.dtype)} of {images.dtype}, "
            f"got {threshold}"
        )
    return np.where(images >= threshold, invert(images), images)


def sharpness(images: Array, factor: float) -> Array:
    """y = f x + (1 - f) z, cut to the range of the dtype, z being the image smoothed by

        [1 1 1; 1 5 1; 1 1 1] / 13

    but for its border, which stays. Images of two rows or columns stay altogether.

    Shape: (N, 1 or 3, H, W), unchanged.
    """
    check_channels("sharpness", images)
    height, width = images.shape[2:]
    if min(height, width) <= 2:
        return images
    kind: Any = images.dtype.type if images.dtype.kind == "f" else np.float32
    x = images.astype(kind)
    total = sum(
        kind(5 / 13 if i == j == 1 else 1 / 13) * x[:, :, i : i + height - 2, j : j + width - 2]
        for i in range(3)
        for j in range(3)
    )
    smooth = images.copy()
    smooth[:, :, 1:-1, 1:-1] = total if images.dtype.kind == "f" else np.rint(total)
    return blend(images, smooth, factor)


def autocontrast(images: Array) -> Array:
    """y = (x - least) * white / (most - least) in each channel of each image.

    Shape: (N, 1 or 3, H, W), unchanged; channels of one value stay.
    """
    check_channels("autocontrast", images)
    kind: Any = images.dtype.type if images.dtype.kind == "f" else np.float32
    white = largest(images.dtype)
    least, most = (
        reduce(images, axis=(2, 3), keepdims=True).astype(kind) for reduce in (np.min, np.max)
    )
    with np.errstate(all="ignore"):  # flat channels; and int32's white, which float32 rounds up
        scale = kind(white) / (most - least)
        flat = ~np.isfinite(scale)
        least, scale = np.where(flat, kind(0), least), np.where(flat, kind(1), scale)
        y = (images.astype(kind) - least) * scale
        return np.clip(y, kind(0), kind(white)).astype(images.dtype)


def equalize(images: Array) -> Array:
    """Spread the values of each channel so that each of 256 levels is as common as another.

        y = (sum over v < x of count[v] + step // 2) // step,    step = (H W - count[most]) // 255

    Shape: (N, 1 or 3, H, W) uint8, unchanged.
    """
    check_channels("equalize", images)
    _check_bytes("equalize", images)
    y = images.copy()
    for channel in y.reshape(-1, *y.shape[2:]):  # y is contiguous: each is a view
        counts = np.bincount(channel.ravel(), minlength=256)
        step = counts[counts != 0][:-1].sum() // 255
        if step:
            below = np.concatenate([[0], np.cumsum(counts)[:-1] + step // 2]) // step
            channel[...] = np.clip(below, 0, 255)[channel]
    return y


def _check_bytes(op: str, images: Array) -> None:
    if images.dtype != np.uint8:
        raise TypeError(f"{op}: images must be uint8, got {images.dtype}")


class _RandomTone(RandomTransform):
    """Changes each image with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        check_number(type(self).__name__, "p", p, least=0, most=1)
        self.p = p

    def transform(self, images: Array, rng: np.random.Generator) -> Array:
        chosen = rng.random(len(images)) < self.p
        if not chosen.any():
            return images
        y = images.copy()
        y[chosen] = self.change(images[chosen])
        return y

    def picture(self, picture: Any, rng: np.random.Generator) -> Any:
        return self.change_picture(picture) if rng.random() < self.p else picture

    def change(self, images: Array) -> Array:
        raise NotImplementedError

    def change_picture(self, picture: Any) -> Any:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomInvert(_RandomTone):
    """Invert the colours of each image with probability `p`.

    Shape: (..., 1 or 3, H, W), unchanged.

    Example:
        >>> npnet.transforms.RandomInvert(p=1.0)(npnet.tensor([[[0.25, 1.0]]]))
        tensor([[[0.7500, 0.0000]]])
    """

    exact: ClassVar[bool] = True

    def change(self, images: Array) -> Array:
        return invert(images)

    def change_picture(self, picture: Any) -> Any:
        from PIL import ImageOps

        return ImageOps.invert(picture)


class RandomPosterize(_RandomTone):
    """Keep the upper `bits` bits of each value, with probability `p`.

    Shape: (..., 1 or 3, H, W) uint8, unchanged.

    Example:
        >>> image = npnet.tensor([[[7, 200]]], dtype=npnet.uint8)
        >>> npnet.transforms.RandomPosterize(bits=1, p=1.0)(image).flatten().tolist()
        [0, 128]
    """

    exact: ClassVar[bool] = True

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def change(self, images: Array) -> Array:
        return posterize(images, self.bits)

    def change_picture(self, picture: Any) -> Any:
        from PIL import ImageOps

        return ImageOps.posterize(picture, self.bits)

    def __repr__(self) -> str:
        return f"RandomPosterize(bits={self.bits},p={self.p})"


class RandomSolarize(_RandomTone):
    """Invert the values from `threshold` on, with probability `p`.

    Shape: (..., 1 or 3, H, W), unchanged.

    Example:
        >>> npnet.transforms.RandomSolarize(0.5, p=1.0)(npnet.tensor([[[0.25, 0.75]]]))
        tensor([[[0.2500, 0.2500]]])
    """

    exact: ClassVar[bool] = True

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def change(self, images: Array) -> Array:
        return solarize(images, self.threshold)

    def change_picture(self, picture: Any) -> Any:
        from PIL import ImageOps

        return ImageOps.solarize(picture, self.threshold)  # type: ignore[arg-type]  # compares

    def __repr__(self) -> str:
        return f"RandomSolarize(threshold={self.threshold},p={self.p})"


class RandomAdjustSharpness(_RandomTone):
    """Make images sharper, or smoother where the factor is below 1, with probability `p`.

    Shape: (..., 1 or 3, H, W), unchanged.

    Example:
        >>> npnet.transforms.RandomAdjustSharpness(2.0, p=0.5)(npnet.zeros(3, 8, 8)).shape
        (3, 8, 8)
    """

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def change(self, images: Array) -> Array:
        return sharpness(images, self.sharpness_factor)

    def change_picture(self, picture: Any) -> Any:
        from PIL import ImageEnhance

        return ImageEnhance.Sharpness(picture).enhance(self.sharpness_factor)

    def __repr__(self) -> str:
        return f"RandomAdjustSharpness(sharpness_factor={self.sharpness_factor},p={self.p})"


class RandomAutocontrast(_RandomTone):
    """Stretch the values of each channel from black to white, with probability `p`.

    Shape: (..., 1 or 3, H, W), unchanged.

    Example:
        >>> npnet.transforms.RandomAutocontrast(p=1.0)(npnet.tensor([[[0.25, 0.5]]]))
        tensor([[[0., 1.]]])
    """

    def change(self, images: Array) -> Array:
        return autocontrast(images)

    def change_picture(self, picture: Any) -> Any:
        from PIL import ImageOps

        return ImageOps.autocontrast(picture)


class RandomEqualize(_RandomTone):
    """Equalize the histogram of each channel, with probability `p`.

    Shape: (..., 1 or 3, H, W) uint8, unchanged.

    Example:
        >>> image = npnet.tensor([[[100, 101, 102]]], dtype=npnet.uint8)
        >>> npnet.transforms.RandomEqualize(p=1.0)(image).shape
        (1, 1, 3)
    """

    def change(self, images: Array) -> Array:
        return equalize(images)

    def change_picture(self, picture: Any) -> Any:
        from PIL import ImageOps

        return ImageOps.equalize(picture)
