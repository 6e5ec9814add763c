"""The safetensors format: arrays by name and a table of texts, as bytes.

    8 bytes   n, little-endian
    n bytes   the header, a JSON object, and spaces up to a multiple of 8:
              {"__metadata__": {text: text, ...},
               name: {"dtype": "F32", "shape": [...], "data_offsets": [begin, end]}, ...}
    the rest  the arrays, row-major and little-endian, one after the other without a gap

The library of that name writes the metadata in an order that changes from process to process,
gives none of them for bytes, knows neither bfloat16 nor float8 in NumPy, and takes a name that
stands in the header twice. Here equal content gives equal bytes, and `decode` trusts nothing that a
file says; both take two thirds of the library's time.

Source: https://github.com/huggingface/safetensors, section Format.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import bfloat16, is_bfloat16

__all__ = ["Entry", "decode", "encode", "little_endian"]


_DTYPES = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "U16": "<u2",
    "I16": "<i2",
    "U32": "<u4",
    "I32": "<i4",
    "U64": "<u8",
    "I64": "<i8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
}
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}
_METADATA = "__metadata__"
_MOST_HEADER = 100_000_000  # bytes; the library's limit too
_MOST_AXES = 64  # of NumPy
_MOST_BYTES = 2**63 - 1  # of a NumPy array, counted without axes of length 0


class Entry(NamedTuple):
    """An array as it stands in a file.

    Attributes:
        dtype: the format's name of it, such as "F32".
        data: its bytes, which belong to the file.
    """

    dtype: str
    shape: tuple[int, ...]
    data: memoryview

    def array(self) -> Array:
        """The array, on memory of its own; float8 becomes float32, without loss.

        Raises:
            TypeError: there is no such dtype here, nor one that holds all its values.
        """
        if self.dtype == "BOOL":  # any byte but 0 is True, and must be 1 for NumPy
            values = np.frombuffer(self.data, np.uint8) != 0
        elif self.dtype in _DTYPES:
            dtype = np.dtype(_DTYPES[self.dtype])
            values = np.frombuffer(self.data, dtype).astype(dtype.newbyteorder("="))
        elif self.dtype == "BF16":
            values = np.frombuffer(self.data, "<u2").astype(np.uint16).view(_bfloat16())
        elif self.dtype in ("F8_E4M3", "F8_E5M2"):
            values = _float8(self.dtype)[np.frombuffer(self.data, np.uint8)]
        else:
            raise TypeError(f"it is of dtype {self.dtype}, which npnet has no arrays of")
        return values.reshape(self.shape)


def _bfloat16() -> np.dtype[Any]:
    try:
        return bfloat16()
    except ImportError as error:
        raise TypeError(str(error)) from error


@functools.cache
def _float8(dtype: str) -> Array:
    """The values of the 256 bytes, float32.

        (-1)**sign * 2**(e - bias) * (1 + m / 2**bits),    2**(1 - bias) * m / 2**bits where e = 0

    E5M2 has bias 15 and infinities like float16, E4M3 bias 7, no infinity, and NaN where all bits
    but the sign are set. Source: Micikevicius et al. (2022), arXiv:2209.05433, table 1.
    """
    codes = np.arange(256, dtype=np.uint16)
    if dtype == "F8_E5M2":  # the upper half of a float16
        return (codes << 8).view(np.float16).astype(np.float32)
    exponent, mantissa = (codes >> 3 & 15).astype(np.int32), (codes & 7).astype(np.float32)
    normal = np.ldexp(1 + mantissa / 8, exponent - 7)
    values = np.where(exponent == 0, np.ldexp(mantissa / 8, -6), normal)
    values = np.where(codes & 127 == 127, np.nan, values)
    return np.where(codes & 128, -values, values).astype(np.float32)


# ---- writing -------------------------------------------------------------------------------------


def encode(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    """Arrays and metadata as a file; equal ones give equal bytes, in whatever order they come.

    The arrays stand by size of their values, the largest first, so that each is aligned, and then
    by name, as the library orders them.

    Raises:
        TypeError: an array's dtype has no name in the format.
    """
    header: dict[str, Any] = {_METADATA: dict(sorted(metadata.items()))} if metadata else {}
    parts, end = [], 0
    for name in sorted(arrays, key=lambda name: (-arrays[name].itemsize, name)):
        array = little_endian(arrays[name])
        known = "BF16" if is_bfloat16(array.dtype) else _NAMES.get(array.dtype)
        if known is None:
            raise TypeError(f"{name}: {array.dtype} has no place in a safetensors file")
        begin, end = end, end + array.nbytes
        header[name] = {
            "dtype": known,
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
        parts.append(array.reshape(-1).view(np.uint8).data)
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def little_endian(array: Array) -> Array:
    """The array row by row in little-endian order, as files have it; itself where it is so."""
    return np.asarray(array, array.dtype.newbyteorder("<"), order="C")


# ---- reading -------------------------------------------------------------------------------------


def decode(data: bytes) -> tuple[dict[str, Entry], dict[str, str]]:
    """The arrays and the metadata of a file, every statement of its header checked.

    Raises:
        ValueError: it is no whole safetensors file; says what is wrong with it.
    """
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > len(data) - 8:
        raise ValueError("it ends within its header")
    if size > _MOST_HEADER:
        raise ValueError(f"its header has {size} bytes, more than the {_MOST_HEADER} allowed")
    header = _parse(data[8 : 8 + size])
    metadata = header.pop(_METADATA, None)
    if metadata is None:  # null, which the library takes for none
        metadata = {}
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError("its metadata must be texts by name")
    values = memoryview(data)[8 + size :]
    entries = {name: _entry(name, described, values) for name, described in header.items()}
    _check_gapless(header, len(values))
    return entries, metadata


def _parse(text: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) < len(pairs):
            raise ValueError("a name stands in it twice")
        return table

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no number in JSON")

    try:
        header = json.loads(text.decode(), object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise ValueError(f"its header is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    return header


def _entry(name: str, described: Any, values: memoryview) -> Entry:
    match described:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [begin, end]}:
            pass
        case _:
            raise ValueError(f"{name} needs a dtype, a shape and two data_offsets")
    if not all(_is_count(number) for number in (*shape, begin, end)):
        raise ValueError(f"{name} has a shape or data_offsets that are no whole numbers from 0")
    if not begin <= end <= len(values):
        raise ValueError(f"{name} lies outside of the file, at bytes {begin} to {end}")
    if len(shape) > _MOST_AXES:
        raise ValueError(f"{name} has {len(shape)} axes, and NumPy takes {_MOST_AXES}")
    if 8 * math.prod(filter(None, shape)) > _MOST_BYTES:
        raise ValueError(f"{name} has a shape that is too large for an array")
    itemsize = _itemsize(dtype)
    if itemsize is not None and math.prod(shape) * itemsize != end - begin:
        raise ValueError(f"{name} has {end - begin} bytes, which its shape and dtype do not fill")
    return Entry(dtype, tuple(shape), values[begin:end])


def _is_count(number: Any) -> bool:
    return type(number) is int and number >= 0  # True is no number here


def _itemsize(dtype: str) -> int | None:
    """Bytes of a value; None of a dtype that `Entry.array` refuses."""
    if dtype in _DTYPES:
        return np.dtype(_DTYPES[dtype]).itemsize
    return {"BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1}.get(dtype)


def _check_gapless(header: Mapping[str, Any], size: int) -> None:
    """Each byte belongs to one array, so that nothing can hide in a file or be read as two."""
    at = 0
    for name in sorted(header, key=lambda name: header[name]["data_offsets"]):
        begin, end = header[name]["data_offsets"]
        if begin != at:
            raise ValueError(f"{name} begins at byte {begin}, where {at} is next")
        at = end
    if at != size:
        raise ValueError(f"its arrays end at byte {at} of {size}")
