"""RandomPerspective: an image as seen from the side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet.base.checks import check_number
from npnet.random import numpy_generator
from npnet.transforms.affine import Places, on_tensors, pillow_fill, sample
from npnet.transforms.base import RandomTransform
from npnet.transforms.images import Array, InterpolationMode, channel_values, interpolation_mode

__all__ = ["RandomPerspective", "coefficients", "perspective", "perspective_picture"]

Corners = Sequence[Sequence[int]]


def coefficients(startpoints: Corners, endpoints: Corners) -> list[float]:
    """(a, ..., h) of the map from a place (x, y) of the result to its source,

        ((a x + b y + c) / (g x + h y + 1), (d x + e y + f) / (g x + h y + 1)),

    that takes the four endpoints to the four startpoints; in float32's precision, as torchvision's.
    """
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(
            f"perspective: takes four corners (x, y), got {len(startpoints)} startpoints and "
            f"{len(endpoints)} endpoints"
        )
    rows = []
    for (x, y), (u, v) in zip(endpoints, startpoints, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    solution = np.linalg.solve(np.array(rows, np.float64), np.asarray(startpoints, float).ravel())
    return solution.astype(np.float32).tolist()


def perspective(
    images: Array, coeffs: Sequence[float], interpolation: str, fill: Array | None
) -> Array:
    """y[i, c] at place p is x[i, c] at the place that `coefficients` says.

    Shape: images (N, C, H, W), fill (C,) -> (N, C, H, W); integers are rounded to nearest.
    """
    dtype: Any = np.float64 if images.dtype == np.float64 else np.float32
    height, width = images.shape[2:]
    x = np.arange(width, dtype=dtype) + dtype(0.5)
    y = (np.arange(height, dtype=dtype) + dtype(0.5))[:, None]
    a, b, c, d, e, f, g, h = map(dtype, coeffs)
    below = g * x + h * y + dtype(1)
    column, row = (a * x + b * y + c) / below, (d * x + e * y + f) / below
    places = Places((column - dtype(0.5))[None], (row - dtype(0.5))[None])
    return sample(images, places, interpolation, fill)


def perspective_picture(
    picture: Any, coeffs: Sequence[float], mode: InterpolationMode, fill: Any
) -> Any:
    """The same of a PIL image, by Pillow."""
    colour = pillow_fill("perspective", 0 if fill is None else fill, picture)
    return picture.transform(picture.size, 2, coeffs, mode.pillow, fillcolor=colour)  # PERSPECTIVE


class RandomPerspective(RandomTransform):
    """Draw new corners for each image, with probability `p`, and distort it to them.

    Args:
        distortion_scale: from 0 to 1: how far corners move, of half the width and half the height.
        p: from 0 to 1.
        interpolation: nearest or bilinear; PIL images take bicubic too.
        fill: value of pixels whose source is outside: one number, or one for each channel.

    Shape: (..., C, H, W), unchanged.

    Example:
        >>> npnet.transforms.RandomPerspective(0.5, p=1.0)(npnet.zeros(3, 32, 32)).shape
        (3, 32, 32)
    """

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: str | int | InterpolationMode = InterpolationMode.BILINEAR,
        fill: float | Sequence[float] | None = 0,
    ) -> None:
        super().__init__()
        check_number("RandomPerspective", "p", p, least=0, most=1)
        check_number("RandomPerspective", "distortion_scale", distortion_scale, least=0, most=1)
        self.p = p
        self.interpolation = interpolation_mode("RandomPerspective", interpolation)
        self.distortion_scale = distortion_scale
        self.fill = 0 if fill is None else fill

    def transform(self, images: Array, rng: np.random.Generator) -> Array:
        mode = on_tensors("RandomPerspective", self.interpolation)
        fill = channel_values("RandomPerspective", "fill", self.fill, images)
        height, width = images.shape[2:]
        y = images.copy()
        for i in range(len(y)):
            if rng.random() < self.p:
                coeffs = coefficients(*_corners(width, height, self.distortion_scale, rng))
                y[i : i + 1] = perspective(images[i : i + 1], coeffs, mode, fill)
        return y

    def picture(self, picture: Any, rng: np.random.Generator) -> Any:
        if rng.random() >= self.p:
            return picture
        width, height = picture.size
        coeffs = coefficients(*_corners(width, height, self.distortion_scale, rng))
        return perspective_picture(picture, coeffs, self.interpolation, self.fill)

    @staticmethod
    def get_params(
        width: int, height: int, distortion_scale: float
    ) -> tuple[list[list[int]], list[list[int]]]:
        """The corners of one image before and after: upper left, upper right, lower right, lower
        left."""
        return _corners(width, height, distortion_scale, numpy_generator(None))

    def __repr__(self) -> str:
        return f"RandomPerspective(p={self.p})"


def _corners(
    width: int, height: int, distortion_scale: float, rng: np.random.Generator
) -> tuple[list[list[int]], list[list[int]]]:
    right, bottom = int(distortion_scale * (width // 2)), int(distortion_scale * (height // 2))

    def near(side: int, reach: int, far: bool) -> int:
        return int(rng.integers(side - reach - 1, side) if far else rng.integers(0, reach + 1))

    start = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
    return start, [[near(width, right, x > 0), near(height, bottom, y > 0)] for x, y in start]
