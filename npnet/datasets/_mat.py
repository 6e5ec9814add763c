"""Arrays of numbers in MATLAB's files of version 5, by their names.

After 128 bytes of header, an element is a type and a size, 4 bytes each, and its data in multiples
of 8 bytes; up to 4 bytes of data stand in the place of the size, whose upper half is then theirs.
Source: "MAT-File Format", The MathWorks, "Level 5 MAT-Files".
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from npnet.base.arrays import Array
from npnet.base.files import open_regular
from npnet.datasets._errors import damaged, unreadable

__all__ = ["read_mat"]

_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"}
_MATRIX, _COMPRESSED = 14, 15


def read_mat(path: Path) -> dict[str, Array]:
    """The arrays in the file.

    Raises:
        DataError: it can't be read, or is no such file.
    """
    try:
        with open_regular(path) as file:
            data = file.read()
    except OSError as error:
        raise unreadable(path, error) from error
    if data[126:128] != b"IM":
        raise damaged(path, "it is no MAT file of version 5, little-endian")
    arrays = {}
    try:
        for kind, body in _elements(memoryview(data)[128:]):
            if kind == _COMPRESSED:
                [(kind, body)] = _elements(memoryview(zlib.decompress(body)))
            if kind == _MATRIX:
                name, array = _array(body)
                arrays[name] = array
    except (ValueError, KeyError, IndexError, zlib.error) as error:
        raise damaged(path, f"an element of it is broken ({error})") from error
    return arrays


def _elements(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    at = 0
    while at < len(data):
        kind, size = np.frombuffer(data[at : at + 8], "<u4").tolist()
        start, end = at + 8, at + 8 + -(-size // 8) * 8
        if kind >> 16:  # a small one
            kind, size, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        elif kind == _COMPRESSED:  # is not filled up
            end = start + size
        if start + size > len(data):
            raise ValueError(f"it has {len(data) - start} bytes of {size}")
        yield kind, data[start : start + size]
        at = end


def _array(body: memoryview) -> tuple[str, Array]:
    _, (_, sizes), (_, name), (kind, values), *_ = _elements(body)
    shape = np.frombuffer(sizes, "<i4").tolist()
    array = np.frombuffer(values, f"<{_NUMBERS[kind]}").reshape(shape, order="F")
    return bytes(name).decode("latin-1"), array
