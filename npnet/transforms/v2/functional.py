"""torchvision.transforms.v2.functional for pictures alone: those of v1, and its own."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from npnet.transforms import functional as v1
from npnet.transforms.functional import *  # noqa: F403  # all of them
from npnet.transforms.v2.convert import ToDtype, ToImage

__all__ = [*v1.__all__, "horizontal_flip", "to_dtype", "to_image", "vertical_flip"]

horizontal_flip, vertical_flip = v1.hflip, v1.vflip


def to_image(inpt: Any) -> Any:
    """A PIL image, or an ndarray (H, W) or (H, W, C), as a Tensor (C, H, W); see `ToImage`."""
    return ToImage()(inpt)


def to_dtype(inpt: Any, dtype: npt.DTypeLike, scale: bool = False) -> Any:
    """A Tensor in another dtype, scaled to its range if asked; see `ToDtype`."""
    return ToDtype(dtype, scale)(inpt)
