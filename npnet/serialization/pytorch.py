"""Files of `torch.save`, read without PyTorch and without running what is in them.

Both formats are pickles that name their tensors' memory: one of zip archives, with the memory in
files beside the pickle, and one before PyTorch 1.6, with the memory behind it. A pickle runs what
it names; here it can name what stands in `_KNOWN` alone, and nothing else of it is imported.
Source: `torch/serialization.py`, `torch/_weights_only_unpickler.py`.
"""

from __future__ import annotations

import io
import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from npnet.base import safetensors
from npnet.base.arrays import Array
from npnet.devices.cpu import device
from npnet.serialization.objects import PYTORCHS
from npnet.tape import result
from npnet.tensor import Size, Tensor

__all__ = ["ForeignError", "is_pytorchs", "pytorch_object"]


def is_pytorchs(data: bytes) -> bool:
    """Whether a file's content is what `torch.save` writes."""
    return data.startswith(PYTORCHS) or _folder(data) is not None


def pytorch_object(data: bytes) -> Any:
    """What was saved; tensors have memory of their own.

    Raises:
        ValueError: the file is damaged, or holds what is neither a tensor nor a number, a text or
            a list, tuple or dict of these; names it.
    """
    try:
        return _read_old(data) if data.startswith(PYTORCHS) else _read_zip(data)
    except ForeignError:
        raise
    except Exception as error:  # damaged pickles raise many kinds
        raise ValueError(f"its content can't be read: {error}") from error


class ForeignError(ValueError):
    """Names the class of what is no tensor, number or text, and no list or dict of these."""


class _Memory:
    """The values of one storage: they are there when the tensors are made, or come afterwards."""

    def __init__(self, kind: str, count: int) -> None:
        self.kind, self.count = kind, count
        self.values: Array = np.zeros(0)

    def read(self, data: bytes) -> None:
        """Take the values from a file."""
        self.values = safetensors.Entry(self.kind, (self.count,), memoryview(data)).array()


class _Unpickler(pickle.Unpickler):
    """Knows `_KNOWN` alone."""

    def __init__(self, file: io.BytesIO, memory: Callable[[str, str, int], _Memory]) -> None:
        super().__init__(file, encoding="utf-8")
        self.memory = memory

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if module == "torch" and name in _DTYPES:
            return np.dtype(name)
        if full not in _KNOWN:
            raise ForeignError(full)
        return _KNOWN[full]

    def persistent_load(self, pid: Any) -> _Memory:
        what, kind, key, _, count, *_ = pid
        if what != "storage":
            raise ValueError(f"a {what} instead of a storage")
        return self.memory(key, kind, count)


def _folder(data: bytes) -> str | None:
    """The folder of a zip archive in which the pickle is."""
    if not data.startswith(b"PK"):
        return None
    import zipfile  # only here: npnet starts faster without

    try:
        names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    except zipfile.BadZipFile:
        return None
    return next((name[:-8] for name in names if name.endswith("data.pkl")), None)


def _read_zip(data: bytes) -> Any:
    import zipfile

    archive, folder = zipfile.ZipFile(io.BytesIO(data)), _folder(data)
    assert folder is not None
    order = f"{folder}byteorder"
    if order in archive.namelist() and archive.read(order) != b"little":
        raise ValueError("it was written on a big-endian machine")
    found: dict[str, _Memory] = {}

    def memory(key: str, kind: str, count: int) -> _Memory:
        if key not in found:
            found[key] = _Memory(kind, count)
            found[key].read(archive.read(f"{folder}data/{key}"))
        return found[key]

    return _Unpickler(io.BytesIO(archive.read(f"{folder}data.pkl")), memory).load()


def _read_old(data: bytes) -> Any:
    """Magic number, version, machine, object, names of its memory, the memory."""
    file, found = io.BytesIO(data), dict[str, _Memory]()

    def memory(key: str, kind: str, count: int) -> _Memory:
        return found.setdefault(key, _Memory(kind, count))

    def part() -> Any:
        return _Unpickler(file, memory).load()

    for _ in range(3):
        part()
    at = file.tell()
    part()  # says where memory is wanted; the tensors are made when it is there
    for key in part():
        count = int.from_bytes(file.read(8), "little")
        found[key].read(file.read(count * _BYTES.get(found[key].kind[-2:], 1)))
    file.seek(at)
    return part()


def _tensor(
    memory: _Memory,
    offset: int,
    size: Sequence[int],
    stride: Sequence[int],
    requires_grad: bool = False,
    *_: Any,
) -> Tensor | None:
    """Values of a storage, on memory of their own."""
    values = memory.values
    if not len(values) and memory.count:
        return None  # of an old file, whose memory comes later
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and (min(offset, *size, *stride, 0) < 0 or last >= len(values)):
        raise ValueError(f"a tensor of shape {tuple(size)} reaches beyond its memory")
    steps = [step * values.itemsize for step in stride]
    part = values[offset:] if 0 not in size else values[:0]
    x = result(np.lib.stride_tricks.as_strided(part, tuple(size), steps).copy())
    return x.requires_grad_() if requires_grad else x


def _parameter(data: Tensor | None, requires_grad: bool, *_: Any) -> Tensor | None:
    """A Parameter is a tensor that requires a gradient, as `load` gives all of them."""
    return data.requires_grad_(requires_grad) if data is not None else None


_STORAGES = {
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
}
_BYTES = {"64": 8, "32": 4, "16": 2}  # by how the names above end
_DTYPES = frozenset(
    ["bool", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8"]
)
_KNOWN: dict[str, Any] = {
    "__builtin__.set": set,
    "builtins.set": set,
    "collections.OrderedDict": OrderedDict,
    "collections.Counter": Counter,
    "torch.Size": Size,
    "torch.device": device,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
}
