"""Reading files of data: a user's folder, and memory that is taken only for what can be there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.base.files import user_path
from npnet.datasets._errors import DataError

__all__ = ["Bytes", "Stream", "TooLargeError", "data_folder", "read_exactly"]

Bytes: TypeAlias = npt.NDArray[np.uint8]

# A file that unpacks to more bytes than the first, and to more times its own size than the second,
# is a decompression bomb: pictures do not compress like that, not even a mask's.
_SURELY_FINE = 1 << 28
_LARGEST_RATIO = 200
_BLOCK = 1 << 22  # bytes unpacked at a time


class TooLargeError(Exception):
    """More bytes are asked for than can be in the file, or in memory; says which, and the fix."""


class Stream(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, none at the end."""


def data_folder(path: str | os.PathLike[str], flag: str) -> Path:
    """The folder that a user names by `flag`. DataError if no folder can have this name."""
    try:
        return user_path(path)
    except OSError as error:
        raise DataError(f"{flag}: no folder can be {error.filename}: {error.strerror}") from error


def read_exactly(stream: Stream, size: int, file_size: int) -> Bytes:
    """The next bytes of a stream as a new array, fewer than `size` if it ends before.

    Memory is taken as the bytes arrive.

    Args:
        size: what a header asks for; it may lie.
        file_size: of the file that the stream unpacks.

    Raises:
        TooLargeError: so many bytes can't be in that file, or in this machine's memory.
    """
    if size > max(_SURELY_FINE, _LARGEST_RATIO * file_size):
        raise TooLargeError(
            f"{size} bytes would come out of {file_size}, which no pictures do; if they are meant, "
            "store them uncompressed"
        )
    content = bytearray()
    try:
        if size > _memory():
            raise MemoryError
        while len(content) < size and (block := stream.read(min(_BLOCK, size - len(content)))):
            content += block
    except MemoryError:
        raise TooLargeError(
            f"{size} bytes are more than this machine's memory; store fewer or smaller images"
        ) from None
    return np.frombuffer(content, np.uint8)  # may be written to, as a bytearray may


def _memory() -> float:
    """Bytes that the machine has: a system promises more, and kills who takes them."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return float("inf")
