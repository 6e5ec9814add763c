"""`save` and `load`: tensors, and trees of them, as one safetensors file.

The file holds the tensors under readable names, such as `optimizer.state[0].exp_avg`, so that every
program that reads safetensors opens it. Its metadata holds, as JSON, the tree that refers to them
and a checksum. Nothing is pickled, and nothing in a file is ever executed.
"""

from __future__ import annotations

import io
import json
import os
import zlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet._device import device as Device
from npnet._files import atomic_write
from npnet._tree import decode, encode
from npnet.tensor import Tensor

__all__ = ["CheckpointError", "load", "save"]

Array: TypeAlias = npt.NDArray[Any]
File: TypeAlias = str | os.PathLike[str] | BinaryIO

_TREE, _CHECKSUM = "npnet.tree", "npnet.crc32"
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
_CONVERT = (
    "convert it in PyTorch: model.load_state_dict(torch.load(...)) and then "
    "safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"
)


class CheckpointError(RuntimeError):
    """A file is damaged, or of another kind; says which, and what to do."""


def save(obj: Any, f: File, pickle_module: Any = None, pickle_protocol: int | None = None) -> None:
    """Write an object as a safetensors file, whole or not at all.

    A flat dict of tensors, such as a state_dict, becomes a plain safetensors file with exactly
    these keys. Tensors on the same memory are written each for itself.

    Args:
        obj: Tensors, None, bools, ints, floats and strings, and lists, tuples, dicts, OrderedDicts
            and Counters of these, nested at will; keys are strings or ints.
        f: a path, or a binary file to write to. A path is replaced when all is on the disk, so a
            kill or an error leaves the previous file as it was.
        pickle_module, pickle_protocol: not supported, as nothing is pickled.

    Raises:
        TypeError: something else is in `obj`; names where.
        OSError: the file can't be written.
    """
    for name, value in (("pickle_module", pickle_module), ("pickle_protocol", pickle_protocol)):
        if value is not None:
            raise NotImplementedError(f"save: {name} is not supported: npnet writes safetensors")
    data = _to_bytes(obj)
    if isinstance(f, (str, os.PathLike)):
        atomic_write(f, data)
    else:
        f.write(data)


def load(
    f: File,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = True,
    mmap: bool | None = None,
) -> Any:
    """Read what `save` wrote, or any safetensors file, as a dict of tensors. Executes nothing.

    Every tensor has memory of its own. Those that required a gradient do so again; a Parameter
    comes back as a Tensor. bfloat16, which other programs write, becomes float32 without loss.

    Args:
        f: a path, or a binary file to read from.
        map_location: the CPU, or None.
        weights_only: accepted; what is read is always data alone.
        pickle_module, mmap: not supported.

    Raises:
        CheckpointError: the file is damaged, or no safetensors file.
        OSError: the file can't be read.
    """
    if map_location is not None:
        Device(map_location)
    for name, value in (("pickle_module", pickle_module), ("mmap", mmap)):
        if value:
            raise NotImplementedError(f"load: {name} is not supported")
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return _from_bytes(file.read(), os.fspath(f))
    return _from_bytes(f.read(), str(getattr(f, "name", "the file")))


def _to_bytes(obj: Any) -> bytes:
    from safetensors.numpy import save as to_safetensors

    tree, tensors = encode(obj)
    # Rows without gaps in little-endian order, which is what safetensors reads the memory as.
    arrays = {n: np.asarray(a, a.dtype.newbyteorder("<"), order="C") for n, a in tensors.items()}
    text = json.dumps(tree, allow_nan=False, separators=(",", ":"))
    metadata = {_TREE: text, _CHECKSUM: _checksum(text, arrays)}
    return to_safetensors(arrays, metadata)


def _from_bytes(data: bytes, name: str) -> Any:
    arrays, metadata = _read_safetensors(data, name)
    if _TREE not in metadata and _CHECKSUM not in metadata:  # another program's
        return {key: Tensor(array) for key, array in arrays.items()}
    text = metadata.get(_TREE, "")
    if metadata.get(_CHECKSUM) != _checksum(text, arrays):
        raise _damaged(name, "the checksum does not fit its content")
    try:
        return decode(json.loads(text), arrays)
    except (RuntimeError, TypeError, ValueError) as error:
        raise _damaged(name, f"its tree can't be read: {error}") from error


def _read_safetensors(data: bytes, name: str) -> tuple[dict[str, Array], Mapping[str, str]]:
    """The arrays, on memory of their own, and the metadata."""
    from safetensors import SafetensorError, deserialize

    if data[8:9] != b"{":  # after the length of the header comes the header, a JSON object
        raise CheckpointError(f"load: {name} is {_kind(data)}")
    try:
        entries = deserialize(data)  # type: ignore[no-untyped-call] # has no annotations
    except SafetensorError as error:
        raise _damaged(name, str(error)) from error
    size = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + size]).get("__metadata__", {})
    return {key: _array(f"{name}: {key}", entry) for key, entry in entries}, metadata


def _array(name: str, entry: Mapping[str, Any]) -> Array:
    if entry["dtype"] == "BF16":  # the upper half of a float32
        halves = np.frombuffer(entry["data"], "<u2").astype(np.uint32)
        return (halves << 16).view(np.float32).reshape(entry["shape"])
    if entry["dtype"] not in _DTYPES:
        raise CheckpointError(
            f"load: {name} is of dtype {entry['dtype']}, which NumPy lacks; convert it to float32 "
            "in the program that wrote it"
        )
    dtype = np.dtype(_DTYPES[entry["dtype"]])
    values = np.frombuffer(entry["data"], dtype).reshape(entry["shape"])
    return values.astype(dtype.newbyteorder("="))


def _checksum(text: str, arrays: Mapping[str, Array]) -> str:
    """CRC-32 of the tree and of names, dtypes, shapes and values of the arrays."""
    crc = zlib.crc32(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        crc = zlib.crc32(f"{name} {array.dtype.name} {array.shape}".encode(), crc)
        little = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
        crc = zlib.crc32(little.reshape(-1).view(np.uint8).data, crc)
    return f"{crc:08x}"


def _damaged(name: str, reason: str) -> CheckpointError:
    return CheckpointError(
        f"load: {name} is damaged or incomplete ({reason}); use an earlier checkpoint, or copy "
        "the file again"
    )


def _kind(data: bytes) -> str:
    """What a file that is no safetensors file is, and what to do with it."""
    for begins, describe in _KINDS.items():
        if data.startswith(begins):
            return describe(data)
    return "empty" if not data else "no safetensors file, or one whose beginning is damaged"


def _zip_kind(data: bytes) -> str:
    import zipfile  # only here: npnet starts faster without

    try:
        names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    except zipfile.BadZipFile:
        names = []
    if names and all(name.endswith(".npy") for name in names):
        return "an .npz file, which numpy.load reads; make tensors of its arrays by from_numpy"
    if names and not any(name.endswith("data.pkl") for name in names):
        return "a zip archive, and no checkpoint"
    return f"a PyTorch file, a zip archive with a pickle, which is not executed; {_CONVERT}"


_KINDS: dict[bytes, Callable[[bytes], str]] = {
    b"PK": _zip_kind,
    b"\x80": lambda data: f"a pickle, which is not executed; {_CONVERT}",
    b"\x93NUMPY": lambda data: "an .npy file, which numpy.load reads",
    b"\x1f\x8b": lambda data: "compressed by gzip; unpack it first",
    b"\x89HDF": lambda data: "an HDF5 file; write its arrays by safetensors.numpy.save_file",
}
