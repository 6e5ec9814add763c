"""PIL images, called pictures here, to arrays and back; Pillow is imported where one is made.

A program that never makes a picture never needs Pillow.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.extras import require

__all__ = ["array_to_picture", "is_picture", "picture_to_array", "pillow"]


def is_picture(x: Any) -> bool:
    """Whether x is a PIL image; where Pillow is not imported, nothing is one."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(x, module.Image)


def pillow(why: str) -> ModuleType:
    """The module PIL.Image.

    Raises:
        MissingExtraError: Pillow is not installed; says what wanted it.
    """
    return require("PIL.Image", "pictures", f"{why}, which")


def picture_to_array(picture: Any) -> Array:
    """The values of a picture, (C, H, W), one map for each band; always new memory.

    Mode 1 gives bool, I int32, I;16 uint16, F float32, the others uint8; P its palette's indices.
    """
    array = np.array(picture)
    width, height = picture.size
    maps = array.reshape(height, width, len(picture.getbands())).transpose(2, 0, 1)
    return np.ascontiguousarray(maps)


def array_to_picture(maps: Array, like: Any = None, mode: str | None = None) -> Any:
    """The picture of maps (C, H, W), as `picture_to_array` gives them.

    Args:
        like: a picture that lends its mode and palette.
        mode: where `like` is None; None is L for uint8 maps with one channel, RGB with three.
    """
    image = pillow("a transform makes a PIL image of an array")
    mode = like.mode if like is not None else mode or {1: "L", 3: "RGB"}[len(maps)]
    pixels = np.ascontiguousarray(maps.transpose(1, 2, 0))
    if mode == "1":
        return image.fromarray(pixels[:, :, 0].astype(np.bool_))
    size, raw = (maps.shape[2], maps.shape[1]), (mode, 0, 1)
    picture = image.frombuffer(mode, size, pixels.tobytes(), "raw", *raw)
    if mode == "P" and like is not None:
        picture.putpalette(like.getpalette())
        picture.info.update(like.info)
    return picture
