"""CenterCrop, RandomCrop, RandomResizedCrop: a part of each image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from npnet.base.checks import ShapeError, check_number
from npnet.base.pictures import is_picture
from npnet.random import Generator, numpy_generator
from npnet.transforms.base import RandomTransform, Transform
from npnet.transforms.flip import RandomHorizontalFlip, RandomVerticalFlip
from npnet.transforms.images import (
    Array,
    InterpolationMode,
    as_batch,
    dimensions,
    interpolation_mode,
    whole_numbers,
)
from npnet.transforms.pad import Pad
from npnet.transforms.resize import Resize

__all__ = [
    "CenterCrop",
    "FiveCrop",
    "RandomCrop",
    "RandomResizedCrop",
    "TenCrop",
    "crop",
    "crop_image",
]


def crop(images: Array, top: Array, left: Array, height: int, width: int) -> Array:
    """y[i, c, h, w] = x[i, c, top[i] + h, left[i] + w].

    Shape: images (N, C, H, W), top and left (N,) whole -> (N, C, height, width), dtype unchanged.
    """
    windows = sliding_window_view(images, (height, width), axis=(2, 3))
    return windows[np.arange(len(images)), :, top, left]


def crop_image(x: Any, top: int, left: int, height: int, width: int) -> Any:
    """The same part of a PIL image or of all images of a Tensor; what is outside is 0."""
    if is_picture(x):
        return x.crop((left, top, left + width, top + height))
    images, restore = as_batch("crop", x)
    part = np.zeros((*images.shape[:2], height, width), images.dtype)
    first, last = max(top, 0), min(top + height, images.shape[2])
    start, end = max(left, 0), min(left + width, images.shape[3])
    if first < last and start < end:
        inside = images[:, :, first:last, start:end]
        part[:, :, first - top : last - top, start - left : end - left] = inside
    return restore(part)


class CenterCrop(Transform):
    """The middle of each image; an image that is smaller gets a border of zeros first.

    Args:
        size: (height, width) of the part, or one number for both.

    Shape: (..., H, W) -> (..., height, width), dtype unchanged.

    Example:
        >>> npnet.transforms.CenterCrop(2)(npnet.arange(16).view(1, 4, 4))
        tensor([[[ 5,  6],
                 [ 9, 10]]])
    """

    exact: ClassVar[bool] = True

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = _size("CenterCrop", size)

    def transform(self, images: Array, rng: np.random.Generator | None = None) -> Array:
        short = [
            max(0, want - have) for have, want in zip(images.shape[2:], self.size, strict=True)
        ]
        if any(short):
            borders = ((0, 0), (0, 0), *((lack // 2, (lack + 1) // 2) for lack in short))
            images = np.pad(images, borders)
        places = zip(images.shape[2:], self.size, strict=True)
        top, left = (round((have - want) / 2) for have, want in places)
        return images[:, :, top : top + self.size[0], left : left + self.size[1]].copy()

    def __repr__(self) -> str:
        return f"CenterCrop(size={self.size})"


class RandomCrop(RandomTransform):
    """Pad each image and cut a part of it out, every place being equally likely.

    Args:
        size: (height, width) of the part, or one number for both.
        padding: pixels added first, as `Pad` takes them; None adds none.
        pad_if_needed: add as many as the image falls short of `size`, on both sides.
        fill: value of the new pixels in the constant mode: one number, or one for each channel.
        padding_mode: constant, edge, reflect or symmetric.

    Shape: (..., H, W) -> (..., height, width); dtype unchanged.

    Raises:
        ShapeError: the padded images are smaller than `size`.

    Example:
        >>> npnet.transforms.RandomCrop(32, padding=4)(npnet.zeros(8, 3, 32, 32)).shape
        (8, 3, 32, 32)
    """

    exact: ClassVar[bool] = True

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: float | Sequence[float] = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = _size("RandomCrop", size)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode
        self._pad(0 if padding is None else padding)

    def transform(self, images: Array, rng: np.random.Generator) -> Array:
        padded = self._padded(images)
        places = [have - want + 1 for have, want in zip(padded.shape[2:], self.size, strict=True)]
        if min(places) < 1:
            raise ShapeError(
                f"RandomCrop: size must be at most that of the padded images, "
                f"{padded.shape[2]}x{padded.shape[3]}, got {self.size[0]}x{self.size[1]}; "
                "set padding, or pad_if_needed=True"
            )
        top, left = (rng.integers(0, count, len(images)) for count in places)
        return crop(padded, top, left, *self.size)

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Top, left, height and width of a part of one image."""
        width, height = dimensions(img)[:0:-1]
        want_height, want_width = output_size
        if height < want_height or width < want_width:
            raise ValueError(
                f"RandomCrop: size must be at most that of the image, {height}x{width}, got "
                f"{want_height}x{want_width}"
            )
        rng = numpy_generator(None)
        top = int(rng.integers(0, height - want_height + 1))
        return top, int(rng.integers(0, width - want_width + 1)), want_height, want_width

    def _padded(self, images: Array) -> Array:
        padded = images if self.padding is None else self._pad(self.padding).transform(images)
        if self.pad_if_needed:
            height, width = (
                max(0, want - have) for have, want in zip(padded.shape[2:], self.size, strict=True)
            )
            padded = self._pad((width, height)).transform(padded)
        return padded

    def _pad(self, padding: int | Sequence[int]) -> Pad:
        return Pad(padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"


class _Part(NamedTuple):
    top: int
    left: int
    height: int
    width: int


class RandomResizedCrop(RandomTransform):
    """Cut out a part of random area and aspect ratio, and resize it.

    The area is `scale` of the image's, the ratio width / height is drawn on a logarithmic scale.
    Where ten drawn parts do not fit, it is the largest in the middle that `ratio` allows.

    Args:
        size: (height, width) of the result, or one number for both.
        scale: (least, most) share of the area.
        ratio: (least, most) aspect ratio.
        interpolation, antialias: as `Resize` takes them.

    Shape: (..., C, H, W) -> (..., C, height, width), dtype unchanged.

    Example:
        >>> npnet.transforms.RandomResizedCrop(24)(npnet.zeros(8, 3, 32, 48)).shape
        (8, 3, 24, 24)

    Source: Szegedy et al. (2014), Going deeper with convolutions, arXiv:1409.4842, section 6.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        interpolation: str | int | InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = _size("RandomResizedCrop", size)
        self.scale = _range("RandomResizedCrop", "scale", scale)
        self.ratio = _range("RandomResizedCrop", "ratio", ratio)
        self.interpolation = interpolation_mode("RandomResizedCrop", interpolation)
        self.antialias = antialias

    def transform(self, images: Array, rng: np.random.Generator) -> Array:
        y, resize = np.empty((*images.shape[:2], *self.size), images.dtype), self._resize()
        for i, image in enumerate(images):
            top, left, height, width = self._draw(images.shape[2], images.shape[3], rng)
            part = image[None, :, top : top + height, left : left + width]
            y[i] = resize.transform(part)[0]
        return y

    def picture(self, picture: Any, rng: np.random.Generator) -> Any:
        width, height = picture.size
        part = self._draw(height, width, rng)
        box = (part.left, part.top, part.left + part.width, part.top + part.height)
        return self._resize().picture(picture.crop(box), rng)

    def _resize(self) -> Resize:
        return Resize(self.size, self.interpolation, antialias=self.antialias)

    def _draw(self, height: int, width: int, rng: np.random.Generator) -> _Part:
        least, most = self.ratio
        for _ in range(10):
            area = height * width * rng.uniform(*self.scale)
            ratio = math.exp(rng.uniform(math.log(least), math.log(most)))
            h, w = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
            if 0 < w <= width and 0 < h <= height:
                top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
                return _Part(int(top), int(left), h, w)
        h = min(height, round(width / least)) if width / height < least else height
        w = min(width, round(height * most)) if width / height > most else width
        return _Part((height - h) // 2, (width - w) // 2, h, w)

    @staticmethod
    def get_params(
        img: Any, scale: Sequence[float], ratio: Sequence[float]
    ) -> tuple[int, int, int, int]:
        """Top, left, height and width of a part of one image."""
        _, height, width = dimensions(img)
        own = RandomResizedCrop(1, scale, ratio)
        return own._draw(height, width, numpy_generator(None))

    def __repr__(self) -> str:
        scale, ratio = (tuple(round(v, 4) for v in pair) for pair in (self.scale, self.ratio))
        return (
            f"RandomResizedCrop(size={self.size}, scale={scale}, ratio={ratio}, "
            f"interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


class FiveCrop(Transform):
    """The four corners and the middle of an image: a tuple of five, for a Lambda that stacks them.

    Args:
        size: (height, width) of each, or one number for both.

    Raises:
        ValueError: the image is smaller.

    Example:
        >>> crops = npnet.transforms.FiveCrop(24)(npnet.zeros(3, 32, 32))
        >>> len(crops), crops[0].shape
        (5, (3, 24, 24))
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = _size("FiveCrop", size)

    @property
    def batched(self) -> bool:
        return False

    def forward(self, x: Any, generator: Generator | np.random.Generator | None = None) -> Any:
        _, height, width = dimensions(x)
        h, w = self.size
        if h > height or w > width:
            raise ValueError(
                f"FiveCrop: size must be at most that of the image, {height}x{width}, got {h}x{w}"
            )
        corners = [(top, left) for top in (0, height - h) for left in (0, width - w)]
        return (*(crop_image(x, *at, h, w) for at in corners), CenterCrop(self.size)(x))

    def __repr__(self) -> str:
        return f"FiveCrop(size={self.size})"


class TenCrop(FiveCrop):
    """The four corners and the middle of an image, and the same of its mirror image: ten.

    Args:
        size: (height, width) of each, or one number for both.
        vertical_flip: mirror top to bottom, not left to right.

    Example:
        >>> crops = npnet.transforms.TenCrop(24)(npnet.zeros(3, 32, 32))
        >>> npnet.stack(crops).shape
        (10, 3, 24, 24)
    """

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        super().__init__(size)
        self.vertical_flip = vertical_flip

    def forward(self, x: Any, generator: Generator | np.random.Generator | None = None) -> Any:
        flip = RandomVerticalFlip(1) if self.vertical_flip else RandomHorizontalFlip(1)
        return super().forward(x) + super().forward(flip(x))

    def __repr__(self) -> str:
        return f"TenCrop(size={self.size}, vertical_flip={self.vertical_flip})"


def _size(op: str, size: int | Sequence[int]) -> tuple[int, int]:
    sides = whole_numbers(op, "size", size, counts=(1, 2), least=1)
    return sides[0], sides[-1]


def _range(op: str, name: str, values: Sequence[float]) -> tuple[float, float]:
    """(least, most), both positive."""
    if not isinstance(values, Sequence) or len(values) != 2 or not values[0] <= values[1]:
        raise ValueError(f"{op}: {name} must be (least, most), got {values!r}")
    for value in values:
        check_number(op, name, value, above=0)
    return values[0], values[1]
