"""`save` and `load`: tensors, and trees of them, as one safetensors file.

The file holds the tensors under readable names, such as `optimizer.state[0].exp_avg`, so that every
program that reads safetensors opens it. Its metadata holds, as JSON, the tree that refers to them
and a checksum. Equal objects give equal files, byte for byte. What is no such tree is pickled; it
is read only with `weights_only=False`, since a pickle may run any code.
"""

from __future__ import annotations

import io
import json
import os
import zlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from npnet.base import safetensors
from npnet.base.arrays import Array
from npnet.base.files import atomic_write, open_regular, printable
from npnet.devices.cpu import check_device
from npnet.serialization.objects import is_object, object_bytes, object_from
from npnet.serialization.pytorch import ForeignError, is_pytorchs, pytorch_object
from npnet.serialization.tree import decode, encode
from npnet.tape import result

__all__ = [
    "CHECKSUM",
    "CheckpointError",
    "checksum_of",
    "load",
    "load_with_metadata",
    "save",
    "to_bytes",
]

File: TypeAlias = str | os.PathLike[str] | BinaryIO

_OURS = "npnet."  # what our keys in the metadata begin with, also where they are damaged
_TREE, CHECKSUM = "npnet.tree", "npnet.crc32"  # in the metadata


class CheckpointError(RuntimeError):
    """A file is damaged, or of another kind; says which, and what to do."""


def save(
    obj: Any,
    f: File,
    pickle_module: Any = None,
    pickle_protocol: int | None = None,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write an object to a file, whole or not at all.

    Tensors, None, bools, ints, floats and strings, and lists, tuples, dicts, OrderedDicts and
    Counters of these, nested at will, with strings or ints as keys, become a safetensors file,
    which `load` reads without executing anything. A flat dict of tensors, such as a state_dict,
    becomes a plain one with exactly these keys. Anything else, such as a whole model, is pickled,
    as in PyTorch: `load` gives it back with `weights_only=False`, where its classes can be
    imported.

    Tensors on the same memory are written each for itself.

    Args:
        f: a path, or a binary file to write to. A path is replaced when all is on the disk, so a
            kill or an error leaves the previous file as it was.
        pickle_module, pickle_protocol: of what is pickled; default Python's.
        _use_new_zipfile_serialization: changes nothing: neither of PyTorch's formats is written.

    Raises:
        TypeError: something in `obj` can't be pickled either; names where and why.
        OSError: the file can't be written.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> npnet.save({"step": 3, "weights": [npnet.tensor([1.0])]}, file)
        >>> _ = file.seek(0)
        >>> npnet.load(file)
        {'step': 3, 'weights': [tensor([1.])]}
    """
    data = _saved(obj, pickle_module, pickle_protocol)
    if isinstance(f, (str, os.PathLike)):
        atomic_write(f, data)
    else:
        f.write(data)


def load(
    f: File,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read what `save` wrote, any safetensors file, as a dict of tensors, or a file of PyTorch's.

    Of what `torch.save` wrote, tensors, numbers, texts, and lists, tuples and dicts of them are
    read, such as a state_dict or a checkpoint that holds some; nothing else of it is run.

    Every tensor has memory of its own. Those that required a gradient do so again; a Parameter
    comes back as a Tensor. float8, which other programs write, becomes float32 without loss.

    Args:
        f: a path, or a binary file to read from.
        map_location: the CPU, None, or what PyTorch takes: a function, which is not called as all
            is on the CPU, or a dict from places to the CPU.
        weights_only: False reads pickles too, which runs whatever code is in them: only for files
            from somebody you trust. Otherwise nothing is executed.
        pickle_module, pickle_load_args: of what is pickled.
        mmap: not supported.

    Raises:
        CheckpointError: the file is damaged, was changed by another program, holds an object of
            another class in PyTorch's format, or is neither such a file nor a safetensors file
            nor, with weights_only=False, a pickle.
        RuntimeError: a pickle_module is given, but weights_only is not False.
        OSError: the file can't be read, or is a folder, a pipe or a device.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> npnet.save({"weight": npnet.tensor([1.0, 2.0])}, file)
        >>> _ = file.seek(0)
        >>> npnet.load(file)
        {'weight': tensor([1., 2.])}
    """
    _check_location(map_location)
    if mmap:
        raise NotImplementedError("load: mmap is not supported")
    if weights_only is not False and pickle_module is not None:
        raise RuntimeError(
            "load: with a pickle_module nothing is safe to load; pass weights_only=False too"
        )
    data, name = _read_all(f)
    if weights_only is not False or not is_object(data):
        return _from_bytes(data, name)[0]
    try:
        return object_from(data, pickle_module, **pickle_load_args)
    except ValueError as error:
        raise _damaged(name, str(error)) from error


def _check_location(location: Any) -> None:
    """Raise NotImplementedError if what is loaded shall go to another place than the CPU."""
    if isinstance(location, Mapping):
        for place in location.values():
            check_device(place)
    elif location is not None and not callable(location):
        check_device(location)


def load_with_metadata(f: File) -> tuple[Any, dict[str, str]]:
    """What `load` gives, and the metadata of the file, checked. Raises what `load` raises."""
    return _from_bytes(*_read_all(f))


def _read_all(f: File) -> tuple[bytes, str]:
    """The content of a file, and its name for errors."""
    if isinstance(f, (str, os.PathLike)):
        with open_regular(f) as file:
            return file.read(), printable(f)
    return f.read(), str(getattr(f, "name", "the file"))


def _saved(obj: Any, pickle_module: Any, protocol: int | None) -> bytes:
    """The content of the file of an object."""
    try:
        return to_bytes(obj)
    except (TypeError, ValueError) as error:
        refusal = error
    try:
        return object_bytes(obj, pickle_module, protocol)
    except Exception as error:  # picklers raise many kinds
        raise TypeError(f"{refusal}; nor can it be pickled: {error}") from error


def to_bytes(obj: Any, metadata: Mapping[str, str] | None = None) -> bytes:
    """What `save` writes of an object; `metadata` are texts for whoever reads the file.

    Raises:
        TypeError: something in `obj` is not saved; names where.
    """
    tree, arrays = encode(obj)
    text = json.dumps(tree, allow_nan=False, separators=(",", ":"))
    texts = {**(metadata or {}), _TREE: text}
    return safetensors.encode(arrays, {**texts, CHECKSUM: _checksum(texts, arrays)})


def checksum_of(data: bytes) -> str:
    """The checksum that stands in what `to_bytes` gave."""
    return safetensors.decode(data)[1][CHECKSUM]


def _from_bytes(data: bytes, name: str) -> tuple[Any, dict[str, str]]:
    if is_pytorchs(data):
        return _from_pytorch(data, name), {}
    arrays, metadata = _read(data, name)
    if not any(key.startswith(_OURS) for key in metadata):  # another program's
        return {key: result(array) for key, array in arrays.items()}, metadata
    if metadata.get(CHECKSUM) != _checksum(metadata, arrays):
        raise CheckpointError(
            f"load: {name} is not as npnet wrote it: the checksum does not fit its content. It is "
            "damaged, or another program changed it and kept the metadata; use an earlier "
            "checkpoint or copy the file again, or, if the change is meant, let that program "
            f"write it without the metadata {_TREE} and {CHECKSUM}"
        )
    try:
        return decode(json.loads(metadata.get(_TREE, "")), arrays), metadata
    except (RuntimeError, TypeError, ValueError) as error:
        raise _damaged(name, f"its tree can't be read: {error}") from error


def _from_pytorch(data: bytes, name: str) -> Any:
    try:
        return pytorch_object(data)
    except ForeignError as error:
        raise CheckpointError(
            f"load: {name} is a PyTorch file that holds a {printable(str(error))}, whose code is "
            "not executed; in PyTorch, save the state_dict() of a model and numbers of Python's"
        ) from error
    except ValueError as error:
        raise _damaged(name, str(error)) from error


def _read(data: bytes, name: str) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays, on memory of their own, and the metadata."""
    if data[8:9] != b"{":  # after the length of the header comes the header, a JSON object
        raise CheckpointError(f"load: {name} is {_kind(data)}")
    try:
        entries, metadata = safetensors.decode(data)
    except ValueError as error:
        raise _damaged(name, str(error)) from error
    arrays = {}
    for key, entry in entries.items():
        try:
            arrays[key] = entry.array()
        except TypeError as error:
            raise CheckpointError(
                f"load: {name}: {printable(key)}: {printable(str(error))}; convert it to float32 "
                "in the program that wrote it"
            ) from error
    return arrays, metadata


def _checksum(metadata: Mapping[str, str], arrays: Mapping[str, Array]) -> str:
    """CRC-32 of the metadata, and of names, dtypes, shapes and values of the arrays.

    The tree comes first and without its name, as in files that have no other metadata.
    """
    crc = zlib.crc32(metadata.get(_TREE, "").encode("utf-8", "surrogatepass"))
    for key in sorted(metadata.keys() - {_TREE, CHECKSUM}):
        crc = zlib.crc32(json.dumps([key, metadata[key]]).encode(), crc)
    for name in sorted(arrays):
        array = arrays[name]
        described = f"{name} {array.dtype.name} {array.shape}"
        crc = zlib.crc32(described.encode("utf-8", "surrogatepass"), crc)
        little = safetensors.little_endian(array)
        crc = zlib.crc32(little.reshape(-1).view(np.uint8).data, crc)
    return f"{crc:08x}"


def _damaged(name: str, reason: str) -> CheckpointError:
    return CheckpointError(
        f"load: {name} is damaged or incomplete ({printable(reason)}); use an earlier checkpoint, "
        "or copy the file again"
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
    if names:
        return "a zip archive, and no checkpoint"
    return "a damaged zip archive, perhaps a PyTorch file; copy it again"


_PICKLE = (
    "a pickle, since more than tensors and numbers was saved, and is not executed; if you trust "
    "whoever wrote it, load(f, weights_only=False) reads it and runs the code in it; better, save "
    "the state_dict() of a model"
)


_KINDS: dict[bytes, Callable[[bytes], str]] = {
    b"PK": _zip_kind,
    b"\x80": lambda data: _PICKLE,
    b"\x93NUMPY": lambda data: "an .npy file, which numpy.load reads",
    b"\x1f\x8b": lambda data: "compressed by gzip; unpack it first",
    b"\x89HDF": lambda data: "an HDF5 file; write its arrays by safetensors.numpy.save_file",
}
