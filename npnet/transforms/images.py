"""What all transforms share: which arrays are images, and checks of their arguments."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError, check_number, unknown_name
from npnet.base.pictures import is_picture
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = [
    "Array",
    "InterpolationMode",
    "as_batch",
    "channel_values",
    "channels_first",
    "dimensions",
    "interpolation_mode",
    "whole_numbers",
]


class InterpolationMode(Enum):
    """Names of the ways to interpolate, as in torchvision.

    Example:
        >>> nearest = npnet.transforms.InterpolationMode.NEAREST
        >>> npnet.transforms.Resize(2, nearest)(npnet.tensor([[[5]]]))
        tensor([[[5, 5],
                 [5, 5]]])
    """

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"

    @property
    def pillow(self) -> int:
        """Pillow's constant for it, which has one for both kinds of nearest."""
        return _PILLOW.get(self, 0)


_PILLOW = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.LANCZOS: 1,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
    InterpolationMode.BOX: 4,
    InterpolationMode.HAMMING: 5,
}


def interpolation_mode(op: str, value: Any) -> InterpolationMode:
    """The mode of an InterpolationMode (torchvision's too), its name, or Pillow's constant."""
    if isinstance(value, numbers.Integral):
        found = {number: mode for mode, number in _PILLOW.items()}.get(int(value))
        if found is not None:
            return found
    name = str(getattr(value, "value", value))
    known = {mode.value: mode for mode in InterpolationMode}
    if name not in known:
        raise ValueError(f"{op}: " + unknown_name("interpolation", name, known))
    return known[name]


def as_batch(op: str, x: Any) -> tuple[Array, Callable[[Array], Any]]:
    """A Tensor or an ndarray as images (N, C, H, W), and what gives a result the form of x.

    A Tensor is (..., C, H, W), or one map (H, W). An ndarray is a batch (N, C, H, W), whose result
    is an ndarray, or an item (C, H, W) of a data set, whose result is a Tensor: a small ndarray
    would be taken for (H, W, C) by the next transform. Where its shape does not tell that the
    channels come first, it is refused.

    Raises:
        TypeError: another kind of object, or an ndarray that is no such batch.
        ShapeError: a Tensor with one axis or none.
        RuntimeError: a Tensor that requires a gradient.
    """
    if isinstance(x, np.ndarray):
        if not channels_first(x.shape):
            raise TypeError(_refusal(op, x))
        return (x, lambda y: y) if x.ndim == 4 else (x[None].copy(), lambda y: result(y[0]))
    if not isinstance(x, Tensor):
        kind = f"{type(x).__module__}.{type(x).__qualname__}"
        raise TypeError(f"{op}: takes PIL images and npnet Tensors (..., C, H, W), got {kind}")
    if x.requires_grad:
        raise RuntimeError(
            f"{op}: the Tensor requires a gradient, which transforms do not hand on; give "
            "x.detach()"
        )
    array = x.array
    if array.ndim < 2:
        raise ShapeError(
            f"{op}: images must have the axes (..., C, H, W) or (H, W), got shape = {array.shape}"
        )
    leading, image = array.shape[:-3], (1, *array.shape)[-3:]
    images = array.reshape(math.prod(leading), *image)

    def restore(y: Array) -> Any:
        if y is images:
            return x
        return result(
            y[0, 0] if array.ndim == 2 and y.shape[1] == 1 else y.reshape(*leading, *y.shape[1:])
        )

    return images, restore


def dimensions(x: Any) -> tuple[int, int, int]:
    """(C, H, W) of a PIL image, or of the images of a Tensor or an ndarray.

    Raises:
        TypeError: it is none of these.
    """
    if is_picture(x):
        return len(x.getbands()), x.height, x.width
    if not isinstance(x, (Tensor, np.ndarray)):
        raise TypeError(f"takes PIL images and npnet Tensors, got {type(x).__name__}")
    channels, height, width = (1, *x.shape)[-3:]
    return int(channels), int(height), int(width)


def channels_first(shape: Sequence[int]) -> bool:
    """Whether it is that of images (C, H, W) or (N, C, H, W), and hardly of (H, W, C): 1 to 4
    channels, and more columns than that."""
    return len(shape) in (3, 4) and 1 <= shape[-3] <= 4 < shape[-1]


def _refusal(op: str, x: Array) -> str:
    fix = "put ToTensor() before it, which makes a Tensor (C, H, W) of an ndarray (H, W, C)"
    if x.ndim == 4:
        fix = "give npnet.from_numpy(x), of (N, H, W, C) npnet.from_numpy(x.transpose(0, 3, 1, 2))"
    return (
        f"{op}: takes PIL images and npnet Tensors (..., C, H, W), got an ndarray of shape "
        f"{x.shape}, whose channels may be the last axis; {fix}"
    )


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
