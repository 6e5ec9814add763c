"""The arrays of a .npz file, each checked before memory is taken for it; nothing is executed.

A .npz file is a zip archive of .npy files, `x.npy` for the array x; a .npy file is a header, the
text of a dict of dtype, order and shape, and the values.
Source: NumPy Enhancement Proposal 1, "A Simple File Format for NumPy Arrays".
"""

from __future__ import annotations

import math
import os
import struct
import warnings
import zipfile
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from npnet.base.arrays import Array
from npnet.base.files import open_regular, printable
from npnet.datasets._errors import DataError, unreadable
from npnet.datasets._files import TooLargeError, read_exactly

__all__ = ["listed", "read_arrays"]


_WRITE = "write it by np.savez_compressed(path, x=images, y=labels), with no object arrays"
_NAMES = 10  # of the arrays in a file that an error tells
_DIRECTORY_END = 22 + 0xFFFF  # bytes of the end of a zip archive's directory, with a comment
_PLAIN = "biufcSUMm"  # kinds of dtypes that are bytes and no more
_KINDS = {
    b"\x93NUMPY": "it holds one array, as np.save writes it",
    b"\x80": "it is a pickle, which is not executed",
    b"\x1f\x8b": "it is compressed by gzip",
    b"\x89HDF": "it is an HDF5 file",
    b"MATLAB": "it is a MATLAB file, which scipy.io.loadmat reads",
}


class _BadMemberError(ValueError):
    """An array that can't be read, with the fix."""


def read_arrays(
    path: str | os.PathLike[str], wanted: Sequence[str]
) -> tuple[dict[str, Array], list[str]]:
    """The wanted arrays that the file has, and the names of all.

    Returns:
        New arrays of numbers, strings or times, in the file's dtype and order.

    Raises:
        DataError: the file can't be read or is damaged, an array is of Python objects or of
            records, a name is there twice, or what a header asks for can't be in the file.
    """
    try:
        with open_regular(path) as file:
            return _unpack(file, wanted)
    except FileNotFoundError as error:
        raise DataError(
            f"{printable(path)} does not exist; the working folder is {printable(os.getcwd())}"
        ) from error
    except _BadMemberError as error:
        raise DataError(f"{printable(path)}: {error}") from error
    except OSError as error:
        raise unreadable(path, error) from error
    except _DamagedError as error:
        raise DataError(
            f"{printable(path)} is no .npz file, or a damaged one ({error}); {_WRITE}"
        ) from error


def listed(names: Sequence[str]) -> str:
    """Names out of a file as an error tells them."""
    more = len(names) - _NAMES
    shown = ", ".join(printable(name)[:40] for name in names[:_NAMES]) or "nothing"
    return shown + (f" and {more} more" if more > 0 else "")


class _DamagedError(Exception):
    """What is wrong with the file, in a few words."""


def _unpack(file: BinaryIO, wanted: Sequence[str]) -> tuple[dict[str, Array], list[str]]:
    begins = file.read(128)
    if not begins.startswith(b"PK"):
        kinds = (kind for magic, kind in _KINDS.items() if begins.startswith(magic))
        raise _DamagedError(next(kinds, "it is empty" if not begins else "it is no zip archive"))
    try:
        archive = zipfile.ZipFile(file)
        size = os.fstat(file.fileno()).st_size
        _check_complete(archive, file, size)
        members = {key: _members(archive, key) for key in wanted}
        arrays = {k: _read(archive, k, found[0], size) for k, found in members.items() if found}
        return arrays, [name.removesuffix(".npy") for name in archive.namelist()]
    except _BadMemberError:
        raise
    # zipfile and NumPy raise errors of many kinds for damaged content, OSErrors among them.
    except Exception as error:
        raise _DamagedError(str(error)[:100] or type(error).__name__) from error


def _check_complete(archive: zipfile.ZipFile, file: BinaryIO, size: int) -> None:
    """Refuse a damaged directory: zipfile takes what it finds, and x_test would not be missed."""
    file.seek(max(0, size - _DIRECTORY_END))
    end = file.read()
    at = end.rfind(b"PK\x05\x06")
    (count,) = struct.unpack("<H", end[at + 10 : at + 12])
    if count not in (len(archive.infolist()), 0xFFFF):  # which stands for more, told elsewhere
        raise ValueError(f"its directory says {count} arrays and has {len(archive.infolist())}")


def _members(archive: zipfile.ZipFile, key: str) -> list[zipfile.ZipInfo]:
    """The member that holds an array, or none. Two are refused: who knows which is meant."""
    found = [info for info in archive.infolist() if info.filename in (key, f"{key}.npy")]
    if len(found) > 1:
        raise _BadMemberError(f"{key} is there {len(found)} times; write the file anew with one")
    return found


def _read(archive: zipfile.ZipFile, key: str, info: zipfile.ZipInfo, file_size: int) -> Array:
    if info.flag_bits & 1:
        raise _BadMemberError(f"{key} is encrypted; write the file anew without a password")
    with archive.open(info) as stream:
        shape, fortran, dtype = _header(stream)
        _check_plain(key, dtype)
        size = math.prod(shape) * dtype.itemsize
        if stream.tell() + size != info.file_size:
            raise ValueError(
                f"{key}, {dtype} of shape {str(shape)[:60]}, takes {size} bytes, not the "
                f"{info.file_size - stream.tell()} that are there"
            )
        try:
            content = read_exactly(stream, size, file_size)
        except TooLargeError as error:
            raise _BadMemberError(f"{key} is too large: {error}") from error
        if len(content) < size or stream.read(1):  # at the end, zipfile checks the CRC
            raise ValueError(f"{key} ends after {len(content)} of {size} bytes")
    return content.view(dtype).reshape(shape, order="F" if fortran else "C")


def _check_plain(key: str, dtype: np.dtype[Any]) -> None:
    if dtype.hasobject:
        labels = f"{key}.astype(np.int64), or {key}.astype(str) of names"
        fix = f"np.stack({key}), of images of one size" if key.startswith("x") else labels
        raise _BadMemberError(
            f"{key} is an array of Python objects, which would have to be executed; save numbers "
            f"({fix}), no object arrays"
        )
    if dtype.names:
        raise _BadMemberError(
            f"{key} is an array of records with the fields {listed(dtype.names)}; save one field, "
            f"as {key}=records[{printable(dtype.names[0])[:40]!r}]"
        )
    if dtype.kind not in _PLAIN or not dtype.itemsize:
        raise _BadMemberError(f"{key} must be an array of numbers, got {str(dtype)[:60]}")


def _header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran's order, and dtype of the .npy file that begins here."""
    version = np.lib.format.read_magic(stream)
    # The third version is the second with names of fields in UTF-8; there are no fields here.
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
        (3, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"version {version} of .npy is not known")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Python's parser, about text that is refused below
        shape, fortran, dtype = readers[version](stream)
    if not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"its shape is {str(shape)[:60]}, which is none")
    return shape, bool(fortran), dtype
