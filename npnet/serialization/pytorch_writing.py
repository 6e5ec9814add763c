"""Weights by name as a file of `torch.save`, written without PyTorch.

`torch.load(file, weights_only=True)` gives an OrderedDict of tensors, for `load_state_dict`. Equal
weights give equal bytes.

The file is a zip archive in which nothing is compressed:

    archive/data.pkl       a pickle of protocol 2: names, and of each tensor dtype, shape and stride
    archive/byteorder      little
    archive/data/0 ...     the values of each tensor, from a multiple of 64 bytes on
    archive/version        3

Source: `torch/serialization.py`, `caffe2/serialize/inline_container.h`.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import is_bfloat16
from npnet.base.safetensors import little_endian

__all__ = ["pytorch_bytes"]

ALIGNMENT = 64  # bytes; PyTorch aligns so, for files that are mapped into memory
_HEADER = 30  # bytes of a file in a zip archive, before its name
_FOLDER = "archive"
_STORAGES = {
    "float64": "Double",
    "float32": "Float",
    "float16": "Half",
    "bfloat16": "BFloat16",
    "int64": "Long",
    "int32": "Int",
    "int16": "Short",
    "int8": "Char",
    "uint8": "Byte",
    "bool": "Bool",
}


def pytorch_bytes(arrays: Mapping[str, Array], records: Mapping[str, bytes]) -> bytes:
    """The content of the file.

    Args:
        records: small files to be added to the archive, which PyTorch does not look at.

    Raises:
        TypeError: an array is of a dtype that PyTorch's files have no name for.
    """
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "data.pkl", b"".join(_pickled(arrays)))
        _add(archive, "byteorder", b"little")
        for at, array in enumerate(arrays.values()):
            _add(archive, f"data/{at}", little_endian(array).tobytes())
        for name, content in records.items():
            _add(archive, name, content)
        _add(archive, "version", b"3\n")
    return file.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add a file, whose content begins at a multiple of `ALIGNMENT`."""
    info = zipfile.ZipInfo(f"{_FOLDER}/{name}")  # of 1980: equal weights give equal files
    assert archive.fp is not None
    begins = archive.fp.tell() + _HEADER + len(info.filename.encode()) + 4
    fill = -begins % ALIGNMENT
    info.extra = struct.pack("<2sH", b"FB", fill) + b"Z" * fill
    archive.writestr(info, content)


# ---- the pickle ----------------------------------------------------------------------------------


def _pickled(arrays: Mapping[str, Array]) -> Iterator[bytes]:
    """OrderedDict([(name, tensor), ...]): what a Pickler would write if it knew PyTorch."""
    yield pickle.PROTO + b"\x02"
    yield from (_called("collections", "OrderedDict"), pickle.MARK)
    for at, (name, array) in enumerate(arrays.items()):
        yield _text(name)
        yield from _tensor(name, array, at)
    yield from (pickle.SETITEMS, pickle.STOP)


def _tensor(name: str, array: Array, at: int) -> Iterator[bytes]:
    """_rebuild_tensor_v2(storage, 0, shape, stride, False, OrderedDict())."""
    dtype = "bfloat16" if is_bfloat16(array.dtype) else array.dtype.name
    if dtype not in _STORAGES:
        raise TypeError(f"{name}: {dtype} has no place in a file of PyTorch")
    yield from (_global("torch._utils", "_rebuild_tensor_v2"), pickle.MARK)
    yield from (pickle.MARK, _text("storage"), _global("torch", f"{_STORAGES[dtype]}Storage"))
    yield from (_text(str(at)), _text("cpu"), _int(array.size), pickle.TUPLE, pickle.BINPERSID)
    yield _int(0)
    yield from (_ints(array.shape), _ints(_strides(array.shape)))
    yield from (pickle.NEWFALSE, _called("collections", "OrderedDict"))
    yield from (pickle.TUPLE, pickle.REDUCE)


def _strides(shape: Sequence[int]) -> list[int]:
    """How many values apart neighbours along each axis are."""
    return [int(np.prod(shape[axis + 1 :], dtype=np.int64)) for axis in range(len(shape))]


def _called(module: str, name: str) -> bytes:
    return _global(module, name) + pickle.EMPTY_TUPLE + pickle.REDUCE


def _global(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return pickle.BINUNICODE + struct.pack("<I", len(data)) + data


def _ints(numbers: Sequence[int]) -> bytes:
    return pickle.MARK + b"".join(map(_int, numbers)) + pickle.TUPLE


def _int(number: int) -> bytes:
    data = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
    return pickle.LONG1 + bytes([len(data)]) + data
