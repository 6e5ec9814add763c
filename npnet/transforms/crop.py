"""RandomCrop: a part of each image, at a random place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from npnet._checks import ShapeError
from npnet.transforms.compose import RandomTransform
from npnet.transforms.images import Array, whole_numbers
from npnet.transforms.pad import Pad

__all__ = ["RandomCrop", "crop"]


def crop(images: Array, top: Array, left: Array, height: int, width: int) -> Array:
    """y[i, c, h, w] = x[i, c, top[i] + h, left[i] + w].

    Shape: images (N, C, H, W), top and left (N,) whole -> (N, C, height, width), dtype unchanged.
    """
    windows = sliding_window_view(images, (height, width), axis=(2, 3))
    return windows[np.arange(len(images)), :, top, left]


class RandomCrop(RandomTransform):
    """Pad each image and cut a part of it out, every place being equally likely.

    Args:
        size: (height, width) of the part, or one number for both.
        padding: pixels added first, as `Pad` takes them; None adds none.
        pad_if_needed: add as many as the image falls short of `size`, on both sides.
        fill: value of the new pixels in the constant mode.
        padding_mode: constant, edge, reflect or symmetric.

    Shape: (N, C, H, W) -> (N, C, height, width), or the same without N; dtype unchanged.

    Raises:
        ShapeError: the padded images are smaller than `size`.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: float = 0,
        padding_mode: str = "constant",
    ) -> None:
        sides = whole_numbers("RandomCrop", "size", size, counts=(1, 2), least=1)
        self.size = sides * (2 // len(sides))
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode
        self._pad = Pad(0 if padding is None else padding, fill, padding_mode)

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

    def _padded(self, images: Array) -> Array:
        padded = images if self.padding is None else self._pad(images)
        if self.pad_if_needed:
            height, width = (
                max(0, want - have) for have, want in zip(padded.shape[2:], self.size, strict=True)
            )
            padded = Pad((width, height), self.fill, self.padding_mode)(padded)
        return padded

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"
