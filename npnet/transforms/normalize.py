"""Normalize: standardised floats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet.base.checks import ShapeError, check_number
from npnet.random import Generator
from npnet.tape import result
from npnet.tensor import Tensor
from npnet.transforms.base import TensorTransform
from npnet.transforms.images import Array

__all__ = ["Normalize"]


class Normalize(TensorTransform):
    """y = (x - mean[c]) / std[c] in each channel c, computed in the dtype of x.

    Args:
        mean, std: one number for each channel, or one for all; std must not be 0.
        inplace: write the result over x.

    Shape: (..., C, H, W), floats, unchanged. A Tensor that requires a gradient gets one.

    Example:
        >>> npnet.transforms.Normalize(mean=1.0, std=0.5)(npnet.tensor([[[0.0, 1.0, 3.0]]]))
        tensor([[[-2.,  0.,  4.]]])
    """

    def __init__(
        self, mean: float | Sequence[float], std: float | Sequence[float], inplace: bool = False
    ) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            for value in np.atleast_1d(values):
                check_number("Normalize", name, float(value))
        if np.any(np.asarray(std, np.float32) == 0):
            raise ValueError(f"Normalize: std must not be 0 in float32, got {std}")
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, x: Any, generator: Generator | np.random.Generator | None = None) -> Any:
        if isinstance(x, Tensor):
            if x.ndim < 3:
                raise ShapeError(
                    f"Normalize: images must have the axes (..., C, H, W), got shape = {x.shape}"
                )
            if x.requires_grad or self.inplace:  # by Tensor's own ops, which tape and views know
                mean, std = map(result, self._values(x.array))
                return x.sub_(mean).div_(std) if self.inplace else (x - mean) / std
        return super().forward(x, generator)

    def transform(self, images: Array, rng: np.random.Generator | None = None) -> Array:
        mean, std = self._values(images)
        with np.errstate(all="ignore"):  # NaN and infinity are values
            y = np.subtract(images, mean, out=images if self.inplace else None)
            y /= std
        return y

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"

    def _values(self, images: Array) -> tuple[Array, Array]:
        """mean and std as (C, 1, 1) or (1, 1, 1), in the dtype of the images, which are floats."""
        if images.dtype.kind != "f":
            raise TypeError(
                f"Normalize: images must be float, got {images.dtype} (put ToTensor() before it)"
            )
        mean = self._per_channel("mean", self.mean, images)
        std = self._per_channel("std", self.std, images)
        if not std.all():
            raise ValueError(f"Normalize: std must not be 0 in {images.dtype}, got {self.std}")
        return mean, std

    def _per_channel(self, name: str, values: float | Sequence[float], images: Array) -> Array:
        array = np.atleast_1d(np.asarray(values, images.dtype))
        if array.size not in (1, images.shape[-3]):
            hint = "; grey images take one: Normalize((0.5,), (0.5,))" * (images.shape[-3] == 1)
            raise ShapeError(
                f"Normalize: {name} must have one number for each channel, got {array.size} for "
                f"{images.shape[-3]}; images.shape = {images.shape}{hint}"
            )
        return array.reshape(-1, 1, 1)
