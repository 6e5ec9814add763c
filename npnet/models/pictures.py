"""Pictures in files, of whatever format and mode, as arrays; Pillow is imported by the first."""

from __future__ import annotations

import io
import os
import warnings
from typing import Any, BinaryIO

import numpy as np

from npnet.base.arrays import Array
from npnet.base.files import open_regular, printable
from npnet.base.pictures import pillow

__all__ = ["frames", "of_pillow", "open_picture", "read_picture"]

_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")  # Pillow's modes of 16-bit grey


def read_picture(path: str | os.PathLike[str]) -> Array:
    """The picture in a file: (1 or 3, H, W), see `of_pillow`.

    Raises:
        ImportError: Pillow is not installed.
        ValueError: it is no picture, a damaged one, or one of too many pixels.
        OSError: the file can't be read.
    """
    with open_regular(path) as file:
        return of_pillow(open_picture(file, printable(path)))


def open_picture(file: BinaryIO | bytes, name: str) -> Any:
    """The picture of Pillow in a file, its pixels read; `name` is the file's, for errors.

    Raises:
        ImportError, ValueError: see `read_picture`.
    """
    Image = pillow("preprocess opens a picture file")
    stream = io.BytesIO(file) if isinstance(file, bytes) else file
    try:
        with warnings.catch_warnings():
            # What Pillow warns of and reads is a picture; but one of so many pixels is not read.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(stream)
            picture.load()
    except MemoryError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(
            f"preprocess: {name} says that it has more than {Image.MAX_IMAGE_PIXELS} pixels, which "
            "are not read; make the picture smaller"
        ) from error
    except Exception as error:  # of damaged files Pillow's readers raise many kinds
        why = "its format is not known" if "cannot identify" in str(error) else str(error)
        raise ValueError(
            f"preprocess: {name} is no picture that Pillow reads, or a damaged one: "
            f"{why or type(error).__name__}; open it in a viewer, and save it as PNG"
        ) from error
    return picture


def frames(picture: Any) -> int:
    """How many pictures there are in the file that this is the first of; 1 where it is damaged."""
    try:
        return int(getattr(picture, "n_frames", 1))
    except Exception:  # the first is read, and what comes behind it is not needed
        return 1


def of_pillow(picture: Any, on_white: bool = False) -> Array:
    """Grey as (1, H, W) or colours as (3, H, W), turned as its EXIF says: uint8 or float32.

    Args:
        on_white: put what is transparent on white; else a picture with such pixels is refused.
    """
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    mode = picture.mode
    if mode in _SIXTEEN_BITS:
        return (np.asarray(picture, np.float32) / np.float32(65535))[None]
    if mode == "F":
        return np.asarray(picture, np.float32)[None]
    if mode == "I":
        raise ValueError(
            "preprocess: the picture has 32-bit whole numbers (mode I), whose white nobody knows; "
            "give np.asarray(picture) / white, floats from 0 to 1"
        )
    is_grey = mode in ("1", "L", "LA", "La")
    has_alpha = "A" in picture.getbands() or "transparency" in picture.info
    if has_alpha and picture.convert("RGBA").getextrema()[3][0] < 255:
        if not on_white:
            raise ValueError(
                "preprocess: the picture has transparent pixels, whose colour is what it lies on; "
                "put it on a background: canvas = Image.new('RGB', picture.size, 'white'), "
                "canvas.paste(picture, mask=picture.convert('RGBA').getchannel('A'))"
            )
        picture = picture.convert("RGBA")
        canvas = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(canvas, picture)
    if is_grey:
        return np.array(picture.convert("L"))[None]
    return np.array(picture.convert("RGB")).transpose(2, 0, 1)
