"""ElasticTransform: an image as seen through moving water."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet.random import numpy_generator
from npnet.tape import result
from npnet.tensor import Tensor
from npnet.transforms.affine import Places, on_tensors, sample
from npnet.transforms.base import RandomTransform
from npnet.transforms.blur import gaussian_blur
from npnet.transforms.images import Array, InterpolationMode, channel_values, interpolation_mode

__all__ = ["ElasticTransform", "elastic"]


def elastic(images: Array, displacement: Array, interpolation: str, fill: Array | None) -> Array:
    """y at place p is x at p + displacement[p], in halves of the width and the height.

    Shape: images (N, C, H, W), displacement (1, H, W, 2), fill (C,) -> (N, C, H, W).
    """
    dtype: Any = np.float64 if images.dtype == np.float64 else np.float32
    height, width = images.shape[2:]
    shift = displacement.astype(dtype)
    column = np.arange(width, dtype=dtype) + shift[..., 0] * dtype(width / 2)
    row = np.arange(height, dtype=dtype)[:, None] + shift[..., 1] * dtype(height / 2)
    return sample(images, Places(column, row), interpolation, fill)


class ElasticTransform(RandomTransform):
    """Move the pixels of each image by a smooth random field.

    Args:
        alpha: how far, in pixels: a float, or two, along x and y.
        sigma: how smooth, in pixels: a float, or two.
        interpolation: nearest or bilinear.
        fill: value of pixels whose source is outside: one number, or one for each channel.

    Shape: (..., C, H, W), unchanged.

    Example:
        >>> npnet.transforms.ElasticTransform(alpha=20.0)(npnet.zeros(1, 28, 28)).shape
        (1, 28, 28)

    Source: Simard, Steinkraus and Platt (2003), Best practices for convolutional neural networks
    applied to visual document analysis, section 2.
    """

    def __init__(
        self,
        alpha: float | Sequence[float] = 50.0,
        sigma: float | Sequence[float] = 5.0,
        interpolation: str | int | InterpolationMode = InterpolationMode.BILINEAR,
        fill: float | Sequence[float] = 0,
    ) -> None:
        super().__init__()
        self.alpha = _pair("alpha", alpha)
        self.sigma = _pair("sigma", sigma)
        self.interpolation = interpolation_mode("ElasticTransform", interpolation)
        self.fill = [float(v) for v in (fill if isinstance(fill, Sequence) else (fill,))]

    def transform(self, images: Array, rng: np.random.Generator) -> Array:
        mode = on_tensors("ElasticTransform", self.interpolation)
        fill = channel_values("ElasticTransform", "fill", self.fill, images)
        y = np.empty_like(images)
        for i in range(len(y)):
            field = _field(self.alpha, self.sigma, images.shape[2:], rng)
            y[i : i + 1] = elastic(images[i : i + 1], field, mode, fill)
        return y

    @staticmethod
    def get_params(alpha: Sequence[float], sigma: Sequence[float], size: Sequence[int]) -> Tensor:
        """The field (1, H, W, 2) for one image."""
        return result(_field(alpha, sigma, size, numpy_generator(None)))

    def __repr__(self) -> str:
        return (
            f"ElasticTransform(alpha={self.alpha}, sigma={self.sigma}, "
            f"interpolation={self.interpolation}, fill={self.fill})"
        )


def _field(
    alpha: Sequence[float], sigma: Sequence[float], size: Sequence[int], rng: np.random.Generator
) -> Array:
    """Noise from -1 to 1, blurred, times alpha over the width and the height."""
    parts = []
    for strength, width, side in zip(alpha, sigma, (size[1], size[0]), strict=True):
        noise = rng.random((1, 1, *size), np.float32) * 2 - 1
        if width > 0:
            count = int(8 * width + 1) | 1
            noise = gaussian_blur(noise, (count, count), sigma)
        parts.append(noise[0] * np.float32(strength / side))
    return np.stack(parts, axis=-1)


def _pair(name: str, value: float | Sequence[float]) -> list[float]:
    pair = list(value) if isinstance(value, Sequence) else [value, value]
    if not all(isinstance(number, float) for number in pair):
        raise TypeError(f"ElasticTransform: {name} must be a float or two, got {value!r}")
    if len(pair) != 2:
        raise ValueError(f"ElasticTransform: {name} must be a float or two, got {value!r}")
    return pair
