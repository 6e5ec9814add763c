"""GaussianBlur: a weighted mean of the pixels around."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet.base.checks import ShapeError, check_number
from npnet.random import numpy_generator
from npnet.transforms.base import RandomTransform
from npnet.transforms.images import Array, whole_numbers

__all__ = ["GaussianBlur", "gaussian_blur", "odd_sizes"]


def gaussian_blur(images: Array, sizes: Sequence[int], sigmas: Sequence[float]) -> Array:
    """y = sum_u sum_v w_u w_v x[h + u, w + v],    w_u ~ exp(-u^2 / (2 sigma^2)),

    the weights of each axis adding to 1, and the image mirrored at its border.

    Args:
        sizes: how many weights there are along x and along y, odd.
        sigmas: along x and along y.

    Shape: (N, C, H, W), unchanged; integers are rounded to nearest.
    """
    for size, side in zip(sizes, images.shape[:1:-1], strict=True):
        if size // 2 >= side:
            raise ShapeError(
                f"GaussianBlur: kernel_size // 2 must be below the sides of the images, got "
                f"{tuple(sizes)} for {images.shape[2]}x{images.shape[3]}"
            )
    kind: Any = images.dtype.type if images.dtype.kind == "f" else np.float32
    y = images.astype(kind)
    for axis, size, sigma in zip((3, 2), sizes, sigmas, strict=True):
        places = np.arange(size, dtype=kind) - kind(size // 2)
        weights = np.exp(kind(-0.5) * (places / kind(sigma)) ** 2)
        weights /= weights.sum()
        borders = [(0, 0)] * 4
        borders[axis] = (size // 2, size // 2)
        padded = np.moveaxis(np.pad(y, borders, mode="reflect"), axis, 0)
        length = images.shape[axis]
        total = sum(w * padded[i : i + length] for i, w in enumerate(weights))
        y = np.moveaxis(np.asarray(total), 0, axis)
    return np.ascontiguousarray(y if images.dtype.kind == "f" else np.rint(y), images.dtype)


class GaussianBlur(RandomTransform):
    """Blur each image by a Gaussian of random width.

    Args:
        kernel_size: weights along x and y, or one number for both; odd.
        sigma: drawn from (least, most), or always this one; in pixels.

    Shape: (..., C, H, W), unchanged; integers are rounded to nearest.

    Example:
        >>> npnet.transforms.GaussianBlur(5, sigma=(0.5, 1.0))(npnet.zeros(3, 32, 32)).shape
        (3, 32, 32)
    """

    def __init__(
        self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)
    ) -> None:
        super().__init__()
        self.kernel_size = odd_sizes("GaussianBlur", kernel_size)
        ends = tuple(sigma) if isinstance(sigma, Sequence) else (sigma, sigma)
        if len(ends) != 2 or not 0 < ends[0] <= ends[1]:
            raise ValueError(
                f"GaussianBlur: sigma must be positive, one number or (least, most), got {sigma!r}"
            )
        self.sigma = ends

    def transform(self, images: Array, rng: np.random.Generator) -> Array:
        y = np.empty_like(images)
        for i, sigma in enumerate(rng.uniform(*self.sigma, len(images)).tolist()):
            y[i : i + 1] = gaussian_blur(images[i : i + 1], self.kernel_size, (sigma, sigma))
        return y

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """The width for one image."""
        return float(numpy_generator(None).uniform(sigma_min, sigma_max))

    def __repr__(self) -> str:
        return f"GaussianBlur(kernel_size={self.kernel_size}, sigma={self.sigma})"


def odd_sizes(op: str, size: int | Sequence[int]) -> tuple[int, int]:
    """kernel_size as (along x, along y)."""
    sides = whole_numbers(op, "kernel_size", size, counts=(1, 2), least=1)
    for side in sides:
        check_number(op, "kernel_size", side, least=1)
        if side % 2 == 0:
            raise ValueError(f"{op}: kernel_size must be odd, got {size!r}")
    return sides[0], sides[-1]
