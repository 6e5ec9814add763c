"""ToTensor, PILToTensor, ToPILImage, ConvertImageDtype: from one kind of image to another."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from npnet.base.checks import ShapeError
from npnet.base.pictures import array_to_picture, is_picture, picture_to_array
from npnet.random import Generator
from npnet.tape import result
from npnet.tensor import Tensor
from npnet.transforms.base import TensorTransform, Transform
from npnet.transforms.images import Array, as_batch

__all__ = ["ConvertImageDtype", "PILToTensor", "ToPILImage", "ToTensor"]


class ToTensor(Transform):
    """A PIL image or an ndarray as a Tensor; uint8 from 0 to 255 becomes float32 from 0 to 1.

    ========================================  ===================================================
    x                                         result
    ========================================  ===================================================
    PIL image of uint8 or of mode 1           (C, H, W) float32, divided by 255
    PIL image of mode I, F, I;16              (1, H, W) int32, float32, int16, not divided
    ndarray (H, W) or (H, W, C), uint8        (C, H, W) float32, divided by 255
    ndarray (H, W) or (H, W, C), others       (C, H, W), same dtype, not divided
    ndarray (N, C, H, W)                      the same axes, as above
    Tensor (..., C, H, W)                     the same axes, as above
    ========================================  ===================================================

    The last two are npnet's; an ndarray of 4 axes counts as such where it has 1 to 4 channels and
    more than 4 columns.

    Raises:
        ShapeError: an ndarray with another number of axes.
        TypeError: anything else, or an ndarray of 4 axes whose channels may be the last.
        ValueError: a picture of mode I;16 with values beyond int16, which would wrap.

    Example:
        >>> npnet.transforms.ToTensor()(np.array([[0, 255]], np.uint8))
        tensor([[[0., 1.]]])
        >>> npnet.transforms.ToTensor()(np.zeros((24, 32, 3), np.uint8)).shape
        (3, 24, 32)
    """

    makes_tensors: ClassVar[bool] = True

    def forward(self, x: Any, generator: Generator | np.random.Generator | None = None) -> Any:
        if is_picture(x):
            return result(_divided(_values(x)))
        if isinstance(x, np.ndarray) and x.ndim != 4:
            if x.ndim not in (2, 3):
                raise ShapeError(
                    "ToTensor: an ndarray must be one picture (H, W) or (H, W, C), or a batch "
                    f"(N, C, H, W), got shape {x.shape}"
                )
            maps = (x[:, :, None] if x.ndim == 2 else x).transpose(2, 0, 1)
            return result(np.array(_divided(maps), order="C"))
        images, restore = as_batch("ToTensor", x)
        y = restore(_divided(images))
        return y if isinstance(y, Tensor) else result(y)

    def transform(self, images: Array, rng: np.random.Generator | None = None) -> Array:
        return _divided(images)

    def pictures(self, images: Array, rng: np.random.Generator) -> Array:
        return _divided(images)

    def __repr__(self) -> str:
        return "ToTensor()"


def _divided(images: Array) -> Array:
    if images.dtype != np.uint8:
        return images
    return images.astype(np.float32) / np.float32(255)


def _values(picture: Any) -> Array:
    maps = picture_to_array(picture)
    if maps.dtype == np.bool_:
        return maps * np.uint8(255)
    if maps.dtype == np.uint16:
        if maps.size and maps.max() > np.iinfo(np.int16).max:
            raise ValueError(
                f"ToTensor: a PIL image of mode {picture.mode} becomes int16, which ends at 32767, "
                f"got {maps.max()}; use PILToTensor(), which keeps uint16"
            )
        return maps.astype(np.int16)
    return maps


class PILToTensor(Transform):
    """A PIL image as a Tensor (C, H, W) of its own dtype, nothing divided.

    Raises:
        TypeError: not a PIL image.

    Example:
        >>> picture, label = npnet.datasets.FakeData(1, (3, 8, 8))[0]
        >>> x = npnet.transforms.PILToTensor()(picture)
        >>> x.shape, x.dtype
        ((3, 8, 8), dtype('uint8'))
    """

    makes_tensors: ClassVar[bool] = True

    def forward(self, x: Any, generator: Generator | np.random.Generator | None = None) -> Any:
        if not is_picture(x):
            raise TypeError(
                f"PILToTensor: takes PIL images, got {type(x).__name__}; ToTensor() takes ndarrays"
            )
        return result(picture_to_array(x))

    def pictures(self, images: Array, rng: np.random.Generator) -> Array:
        return images

    def transform(self, images: Array, rng: np.random.Generator | None = None) -> Array:
        raise TypeError("PILToTensor: takes PIL images, got a Tensor; leave it out")

    def __repr__(self) -> str:
        return "PILToTensor()"


class ToPILImage(Transform):
    """A Tensor (C, H, W) or (H, W), or an ndarray (H, W, C) or (H, W), as a PIL image.

    Floats are taken to lie from 0 to 1 and multiplied by 255, unless mode is F.

    Args:
        mode: the picture's; None is L, LA, RGB or RGBA for uint8 by the number of channels, and
            I;16, I or F for one channel of int16, int32 or, with mode "F", float32.

    Raises:
        ShapeError: another number of axes, or more than four channels.
        TypeError: a dtype that no mode holds, or x is neither of these.
        ValueError: a mode that does not fit, or floats outside of 0 to 1, which would wrap.

    Example:
        >>> picture = npnet.transforms.ToPILImage()(npnet.zeros(3, 24, 32))
        >>> picture.size, picture.mode
        ((32, 24), 'RGB')
    """

    @property
    def batched(self) -> bool:
        return False

    def __init__(self, mode: str | None = None) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, x: Any, generator: Generator | np.random.Generator | None = None) -> Any:
        if not isinstance(x, (Tensor, np.ndarray)):
            raise TypeError(f"ToPILImage: takes a Tensor or an ndarray, got {type(x).__name__}")
        array = x if isinstance(x, np.ndarray) else x.detach().array
        if array.ndim == 2:
            array = array[None]
        elif array.ndim == 3 and isinstance(x, np.ndarray):
            array = array.transpose(2, 0, 1)
        if array.ndim != 3 or not 1 <= len(array) <= 4:
            raise ShapeError(
                "ToPILImage: takes a Tensor (C, H, W) or an ndarray (H, W, C) of 1 to 4 channels, "
                f"or (H, W), got {type(x).__name__} of shape {x.shape}"
            )
        if array.dtype.kind == "f" and self.mode != "F":
            array = _bytes(array)
        return array_to_picture(array, mode=_mode(array, self.mode))

    def __repr__(self) -> str:
        return "ToPILImage()" if self.mode is None else f"ToPILImage(mode={self.mode})"


def _bytes(array: Array) -> Array:
    # NaN fails too; values up to 1 / 255 beyond the ends still are the byte at the end.
    scaled = array * 255
    if not (scaled > -1).all() or not (scaled < 256).all():
        raise ValueError(
            f"ToPILImage: floats must lie from 0 to 1, got {array.min():g} to {array.max():g}; "
            "undo Normalize first, or divide by 255"
        )
    return scaled.astype(np.uint8)


def _mode(array: Array, asked: str | None) -> str:
    channels, dtype = len(array), array.dtype.name
    of_bytes = {1: ("L",), 2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}
    others = {"int16": ("I;16",), "uint16": ("I;16",), "int32": ("I",), "float32": ("F",)}
    modes = (
        of_bytes[channels] if dtype == "uint8" else others.get(dtype, ()) if channels == 1 else ()
    )
    if not modes:
        raise TypeError(
            f"ToPILImage: no mode holds {channels} channels of {dtype}; give uint8, or float32 "
            "from 0 to 1"
        )
    if asked is not None and asked not in modes:
        raise ValueError(
            f"ToPILImage: mode must be {' or '.join(modes)} for {channels} channels of {dtype}, "
            f"got {asked!r}"
        )
    return asked or modes[0]


class ConvertImageDtype(TensorTransform):
    """Another dtype, and the values scaled to its range: 0 to 1 for floats, 0 to the largest for
    integers.

    Between integers the values are multiplied or floor-divided by a power of two; a float v becomes
    floor(v * (largest + 1 - 0.001)), as in torchvision.

    Args:
        dtype: such as npnet.float32.

    Shape: (..., H, W), unchanged.

    Raises:
        RuntimeError: float32 to int32 or int64, or float64 to int64, whose range they do not hold.

    Example:
        >>> image = npnet.tensor([[[0, 51, 255]]], dtype=npnet.uint8)
        >>> npnet.transforms.ConvertImageDtype(npnet.float32)(image).round(decimals=2)
        tensor([[[0.0000, 0.2000, 1.0000]]])
    """

    def __init__(self, dtype: npt.DTypeLike) -> None:
        super().__init__()
        self.dtype = np.dtype(dtype)
        if self.dtype.kind not in "fiu":
            raise TypeError(f"ConvertImageDtype: dtype must be float or integer, got {self.dtype}")

    def transform(self, images: Array, rng: np.random.Generator | None = None) -> Array:
        have, want = images.dtype, self.dtype
        if have == want:
            return images
        if want.kind == "f":
            y = images.astype(want)
            return y if have.kind == "f" else y / want.type(_largest(have))
        largest = _largest(want)
        if have.kind == "f":
            if want.itemsize >= 8 or (want.itemsize == 4 and have.itemsize == 4):
                raise RuntimeError(f"ConvertImageDtype: {have} does not hold the range of {want}")
            with np.errstate(invalid="ignore"):
                return (images * have.type(largest + 1.0 - 1e-3)).astype(want)
        factor: Any = (_largest(have) + 1) / (largest + 1)
        if factor > 1:
            return (images // have.type(factor)).astype(want)
        return images.astype(want) * want.type(1 / factor)


def _largest(dtype: np.dtype[Any]) -> int:
    return 1 if dtype == np.bool_ else int(np.iinfo(dtype).max)
