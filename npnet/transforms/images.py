"""What all transforms share: which arrays are images, and checks of their arguments."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from enum import Enum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet._checks import ShapeError, check_number

__all__ = ["Array", "InterpolationMode", "as_images", "channel_values", "whole_numbers"]

Array: TypeAlias = npt.NDArray[Any]


class InterpolationMode(Enum):
    """Names of the ways to interpolate, as in torchvision; Resize takes BILINEAR."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


def as_images(op: str, x: Any) -> Array:
    """The ndarray of an ndarray or Tensor of images; ShapeError unless it has 3 or 4 axes."""
    array = np.asarray(getattr(x, "array", x))
    if array.ndim not in (3, 4):
        raise ShapeError(
            f"{op}: images must have 4 axes (N, C, H, W) or 3 axes (C, H, W), "
            f"got {array.ndim}: shape = {array.shape}"
        )
    return array


def whole_numbers(
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


def channel_values(op: str, name: str, values: float | Sequence[float], images: Array) -> Array:
    """One number, or one for each channel, as (C,) float64: pixels of these images.

    Raises:
        ShapeError: another count of numbers.
        ValueError: the images are uint8 and a number is not from 0 to 255.
    """
    channels = images.shape[1]
    array = np.atleast_1d(np.asarray(values, np.float64))
    if array.size not in (1, channels):
        raise ShapeError(
            f"{op}: {name} must have one number for each channel, got {array.size} for "
            f"{channels}; images.shape = {images.shape}"
        )
    if images.dtype == np.uint8:
        for value in array:
            check_number(op, f"{name} of uint8 images", value, least=0, most=255)
    return np.broadcast_to(array, (channels,))
