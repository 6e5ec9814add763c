"""The pictures that a command line names: files, folders and standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from npnet.base.arrays import Array
from npnet.base.files import open_regular, printable, user_path
from npnet.models.pictures import frames, of_pillow, open_picture

__all__ = ["ENDINGS", "STDIN", "Source", "find_sources"]

STDIN = "-"
MOST_BYTES = 1 << 28  # of standard input: more is no picture's
ENDINGS = frozenset(
    [
        "avif",
        "bmp",
        "dib",
        "gif",
        "ico",
        "jfif",
        "jp2",
        "jpe",
        "jpeg",
        "jpg",
        "pbm",
        "pgm",
        "png",
        "pnm",
        "ppm",
        "qoi",
        "tga",
        "tif",
        "tiff",
        "webp",
    ]
)


@dataclass(frozen=True)
class Source:
    """One picture, not read yet.

    Attributes:
        name: what it is called in results.
        path: its file; None is standard input.
        error: why there is none, which is told in its place.

    Example:
        >>> from npnet.prediction import Source
        >>> Source("missing.png", None, error="no such file").read()
        Traceback (most recent call last):
            ...
        ValueError: no such file
    """

    name: str
    path: Path | None
    error: str = ""

    def read(self) -> tuple[Array, str]:
        """(1 or 3, H, W), turned as its EXIF says and on white where it is transparent; and a note.

        Raises:
            ValueError: it is no picture, or a damaged one.
            OSError: it can't be read.
        """
        if self.error:
            raise ValueError(self.error)
        if self.path is None:
            return _read(_all_of_stdin(), self.name)
        with open_regular(self.path) as file:
            return _read(file, self.name)


def _read(file: BinaryIO | bytes, name: str) -> tuple[Array, str]:
    picture = open_picture(file, name)
    count = frames(picture)
    if picture.mode == "I":
        raise ValueError(
            f"{name} has whole numbers of 32 bits, whose white nobody knows; save it with 8 or 16"
        )
    pixels = of_pillow(picture, on_white=True)
    if not np.isfinite(pixels).all():
        raise ValueError(f"{name} has pixels that are no finite numbers; save it as PNG")
    return pixels, f"the first of {count}" if count > 1 else ""


def find_sources(words: Sequence[str]) -> Iterator[Source]:
    """The pictures of each word, in order; of a folder those with the ending of a picture, its
    folders' too, sorted by name, hidden ones left out.

    Example:
        >>> import pathlib, tempfile
        >>> from npnet.prediction import find_sources
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in "b.png", "a.jpg", "notes.txt":
        ...         pathlib.Path(folder, name).touch()
        ...     print([source.path.name for source in find_sources([folder])])
        ['a.jpg', 'b.png']
    """
    for word in words:
        if word == STDIN:
            yield Source("standard input", None)
            continue
        try:
            path = user_path(word)
            inside = list(_pictures_in(path)) if path.is_dir() else None
        except OSError as error:
            yield Source(printable(word), None, f"{printable(word)}: {error.strerror}")
            continue
        if inside is None:
            yield Source(printable(word), path)
        elif not inside:
            endings = ", ".join(sorted(ENDINGS))
            why = f"the folder {printable(word)} has no pictures; their names end in {endings}"
            yield Source(printable(word), None, why)
        else:
            yield from (Source(printable(each), each) for each in inside)


def _pictures_in(folder: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            ending = name.rpartition(".")[2].lower()
            if ending in ENDINGS and not name.startswith("."):
                yield Path(where, name)


def _all_of_stdin() -> bytes:
    if sys.stdin is None:
        raise ValueError("standard input is closed; pipe a picture: cat seven.png | npnet ... -")
    if sys.stdin.isatty():
        raise ValueError(
            "standard input is a terminal; pipe a picture: cat seven.png | npnet ... -"
        )
    data = sys.stdin.buffer.read(MOST_BYTES + 1)
    if not data:
        raise ValueError("standard input has nothing in it, or nothing any more")
    if len(data) > MOST_BYTES:
        raise ValueError(
            f"standard input has more than {MOST_BYTES >> 20} MB, which no picture has"
        )
    return data
