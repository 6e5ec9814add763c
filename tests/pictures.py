"""Pictures in tests: left blank where nobody looks; drawing takes longer than short runs."""

from __future__ import annotations

import io
import zlib
from typing import Any

__all__ = ["is_picture", "save_blank"]


def _chunk(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")


BLANK = {
    "png": b"\x89PNG\r\n\x1a\n"  # one grey pixel
    + _chunk(b"IHDR", bytes([0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]))
    + _chunk(b"IDAT", zlib.compress(bytes(2)))
    + _chunk(b"IEND", b""),
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
}


def save_blank(figure: Any, file: Any, format: str, **options: Any) -> None:
    """In place of `matplotlib.figure.Figure.savefig`, for tests that are not marked `pictures`."""
    file.write(BLANK[format])


def is_picture(png: bytes) -> bool:
    """Whether these are the bytes of a PNG that is not of one colour."""
    from matplotlib.image import imread

    pixels = imread(io.BytesIO(png))
    return bool(pixels.max() > pixels.min())
