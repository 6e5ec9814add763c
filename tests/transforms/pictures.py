"""Pictures and images that the tests of transforms share."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

__all__ = ["MODES", "drawn", "picture"]

MODES = ("L", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "HSV", "P", "1", "I", "F", "I;16")


def drawn(shape: tuple[int, ...], dtype: str = "uint8", seed: int = 0) -> Any:
    """Random pixels: floats from 0 to 1, integers from 0 to 255."""
    values = np.random.default_rng(seed).random(shape)
    return values.astype(dtype) if np.dtype(dtype).kind == "f" else (values * 256).astype(dtype)


def picture(mode: str = "RGB", size: tuple[int, int] = (19, 14), seed: int = 0) -> Image.Image:
    """A random PIL image.  Shape: size is (W, H), as Pillow has it."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    shape = (size[1], size[0], bands)
    if mode == "1":
        return Image.fromarray(drawn(shape[:2], seed=seed) < 128)
    dtype = {"I": "int32", "F": "float32", "I;16": "uint16"}.get(mode, "uint8")
    result = Image.frombytes(mode, size, drawn(shape, dtype, seed).tobytes())
    if mode == "P":
        result.putpalette(drawn((768,), seed=1).tobytes())
    return result
