"""The conversions of torchvision.transforms.v2: to a tensor, and to another dtype."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from npnet.base.pictures import is_picture, picture_to_array
from npnet.random import Generator
from npnet.tape import result
from npnet.transforms.base import TensorTransform, Transform
from npnet.transforms.convert import ConvertImageDtype
from npnet.transforms.images import Array

__all__ = ["ToDtype", "ToImage", "ToPureTensor"]


class ToImage(Transform):
    """A PIL image, or an ndarray (H, W) or (H, W, C), as a Tensor (C, H, W) of its own dtype.

    A Tensor stays as it is.

    Example:
        >>> from npnet.transforms import v2
        >>> v2.ToImage()(np.zeros((24, 32, 3), np.uint8)).shape
        (3, 24, 32)
    """

    makes_tensors: ClassVar[bool] = True

    def forward(self, x: Any, generator: Generator | np.random.Generator | None = None) -> Any:
        if is_picture(x):
            return result(picture_to_array(x))
        if isinstance(x, np.ndarray):
            maps = x[:, :, None] if x.ndim == 2 else x
            return result(np.ascontiguousarray(maps.transpose(2, 0, 1)))
        return x

    def pictures(self, images: Array, rng: np.random.Generator) -> Array:
        return images

    def transform(self, images: Array, rng: np.random.Generator | None = None) -> Array:
        return images

    def __repr__(self) -> str:
        return "ToImage()"


class ToDtype(TensorTransform):
    """Another dtype.

    Args:
        dtype: such as npnet.float32.
        scale: bring the values to the range of the dtype, as ConvertImageDtype does; else they
            stay.

    Shape: (..., H, W), unchanged.

    Example:
        >>> from npnet.transforms import v2
        >>> image = npnet.tensor([[[0, 255]]], dtype=npnet.uint8)
        >>> v2.ToDtype(npnet.float32, scale=True)(image)
        tensor([[[0., 1.]]])
    """

    def __init__(self, dtype: npt.DTypeLike, scale: bool = False) -> None:
        super().__init__()
        self.dtype = np.dtype(dtype)
        self.scale = scale

    def transform(self, images: Array, rng: np.random.Generator | None = None) -> Array:
        if self.scale and self.dtype.kind == "f" and images.dtype.kind in "iu":
            # As torchvision here, unlike ConvertImageDtype, multiplies by the inverse.
            factor: Any = np.asarray(1.0 / np.iinfo(images.dtype).max, self.dtype)
            return images.astype(self.dtype) * factor
        if self.scale:
            return ConvertImageDtype(self.dtype).transform(images)
        return images.astype(self.dtype, copy=False)

    def __repr__(self) -> str:
        return f"ToDtype(scale={self.scale})"


class ToPureTensor(Transform):
    """Leaves everything as it is: npnet has Tensors alone.

    Example:
        >>> from npnet.transforms import v2
        >>> v2.ToPureTensor()(npnet.tensor([[[1, 2]]]))
        tensor([[[1, 2]]])
    """

    def forward(self, x: Any, generator: Generator | np.random.Generator | None = None) -> Any:
        return x

    def pictures(self, images: Array, rng: np.random.Generator) -> Array:
        return images

    def transform(self, images: Array, rng: np.random.Generator | None = None) -> Array:
        return images

    def __repr__(self) -> str:
        return "ToPureTensor()"
