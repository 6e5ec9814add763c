"""Files of `torch.save`, read without PyTorch and without running what is in them.

Both formats are pickles that name their tensors' memory: one of zip archives, with the memory in
files beside the pickle, and one before PyTorch 1.6, with the memory behind it. A pickle runs what
it names; here it can name what stands in `_KNOWN` alone, and nothing else of it is imported. An
object of another class ends the reading, or becomes an `Inert` one: a shell that holds what the
pickle gives the object, so that the weights in it can be found.
Source: `torch/serialization.py`, `torch/_weights_only_unpickler.py`.
"""

from __future__ import annotations

import io
import pickle
import zlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base import safetensors
from npnet.base.arrays import Array
from npnet.devices.cpu import device
from npnet.serialization.objects import PYTORCHS
from npnet.tape import result
from npnet.tensor import Size, Tensor

if TYPE_CHECKING:
    import zipfile

__all__ = ["ForeignError", "Inert", "is_pytorchs", "pytorch_object", "records", "unread_kind"]


def is_pytorchs(data: bytes) -> bool:
    """Whether a file's content is what `torch.save` writes."""
    return data.startswith(PYTORCHS) or _folder(data) is not None


def pytorch_object(data: bytes, inert: bool = False) -> Any:
    """What was saved; tensors have memory of their own.

    Args:
        inert: make an `Inert` of what is neither a tensor nor a number, a text or a list, tuple or
            dict of these.

    Raises:
        ForeignError: there is such a thing, and inert is False; names its class.
        ValueError: the file is damaged.
    """
    read = _read_old if data.startswith(PYTORCHS) else _read_zip
    try:
        return read(data, _Inerts() if inert else None)
    except ForeignError:
        raise
    except Exception as error:  # damaged pickles raise many kinds
        raise ValueError(f"its content can't be read: {error}") from error


class ForeignError(ValueError):
    """Names the class of what is no tensor, number or text, and no list or dict of these."""


class Inert:
    """Stands for an object of a class that is not known here, whose code is not run.

    Attributes:
        name: module and name of the class, or of the function whose result it is.
        args: what it was made of.
        state: what `__setstate__` would have been given; of most objects the attributes by name.
        items: what was put into it, of a kind of dict or list.
    """

    name = ""
    args: tuple[Any, ...]
    state: Any
    items: list[Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Inert:
        self = super().__new__(cls)
        self.args, self.state, self.items = args, None, []
        return self

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any) -> Inert:
        return self

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))

    def append(self, value: Any) -> None:
        """Take one more of a kind of list."""
        self.items.append(value)

    extend = append
    add = append

    def __repr__(self) -> str:
        return f"<{self.name}, not run>"


class _Inerts(dict[str, type[Inert]]):
    """A class of `Inert` for each name."""

    def __missing__(self, name: str) -> type[Inert]:
        self[name] = type("Inert", (Inert,), {"name": name})
        return self[name]


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

    def __init__(
        self,
        file: io.BytesIO,
        memory: Callable[[str, str, int], _Memory],
        inerts: _Inerts | None,
    ) -> None:
        super().__init__(file, encoding="utf-8")
        self.memory, self.inerts = memory, inerts

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if module == "torch" and name in _DTYPES:
            return np.dtype(name)
        if full in _KNOWN:
            return _KNOWN[full]
        if self.inerts is None:
            raise ForeignError(full)
        return self.inerts[full]

    def persistent_load(self, pid: Any) -> Any:
        if self.inerts is not None and pid[0] == "module":  # of old files, with its source
            return pid[1]
        what, kind, key, _, count, *_ = pid
        if not isinstance(kind, str) and self.inerts is not None:  # of a dtype that is not here
            return _Memory(kind.name, 0)
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


def records(data: bytes) -> dict[str, bytes]:
    """The small files beside the pickle of a zip archive, such as those that npnet adds, by name.

    Raises:
        ValueError: the archive is damaged.
    """
    import zipfile

    folder = _folder(data)
    if folder is None:
        return {}
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        names = [n for n in archive.namelist() if n.startswith(folder) and n.endswith(".json")]
        return {n.removeprefix(folder): _content(archive, n, _MOST_PICKLE) for n in names}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error) as error:
        raise ValueError(f"its archive can't be read: {error}") from error


def _content(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """A file of the archive. What was compressed could fill all memory: its size is looked at."""
    size = archive.getinfo(name).file_size
    if size > most:
        raise ValueError(f"{name} has {size} bytes, where {most} are the most")
    return archive.read(name)


def _read_zip(data: bytes, inerts: _Inerts | None) -> Any:
    import zipfile

    archive, folder = zipfile.ZipFile(io.BytesIO(data)), _folder(data)
    assert folder is not None
    order = f"{folder}byteorder"
    if order in archive.namelist() and _content(archive, order, 10) != b"little":
        raise ValueError("it was written on a big-endian machine")
    found: dict[str, _Memory] = {}

    def memory(key: str, kind: str, count: int) -> _Memory:
        if key not in found:
            found[key] = _Memory(kind, count)
            found[key].read(_content(archive, f"{folder}data/{key}", 8 * count))
        return found[key]

    pickled = _content(archive, f"{folder}data.pkl", _MOST_PICKLE)
    return _Unpickler(io.BytesIO(pickled), memory, inerts).load()


def _read_old(data: bytes, inerts: _Inerts | None) -> Any:
    """Magic number, version, machine, object, names of its memory, the memory."""
    file, found = io.BytesIO(data), dict[str, _Memory]()

    def memory(key: str, kind: str, count: int) -> _Memory:
        return found.setdefault(key, _Memory(kind, count))

    def part() -> Any:
        return _Unpickler(file, memory, inerts).load()

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
) -> Tensor | Inert | None:
    """Values of a storage, on memory of their own; an `Inert` where their dtype is not here."""
    values = memory.values
    if memory.kind not in _STORAGES.values():
        return _Inerts()["torch._utils._rebuild_tensor_v2"](memory)
    if not len(values) and memory.count:
        return None  # of an old file, whose memory comes later
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and (min(offset, *size, *stride, 0) < 0 or last >= len(values)):
        raise ValueError(f"a tensor of shape {tuple(size)} reaches beyond its memory")
    steps = [step * values.itemsize for step in stride]
    part = values[offset:] if 0 not in size else values[:0]
    x = result(np.lib.stride_tricks.as_strided(part, tuple(size), steps).copy())
    return x.requires_grad_() if requires_grad else x


def _parameter(data: Tensor | Inert | None, requires_grad: bool, *_: Any) -> Tensor | Inert | None:
    """A Parameter is a tensor that requires a gradient, as `load` gives all of them."""
    return data.requires_grad_(requires_grad) if isinstance(data, Tensor) else data


def unread_kind(value: Any) -> str | None:
    """What kind of tensor an `Inert` stands for, such as "float8_e4m3fn"; None if for none."""
    if not isinstance(value, Inert) or not value.name.startswith("torch._utils._rebuild_"):
        return None
    kind = value.name.removeprefix("torch._utils._rebuild_")
    if kind == "parameter" and value.args:
        return unread_kind(value.args[0])
    if kind == "tensor_v2":
        return _COMPLEX.get(value.args[0].kind, "unknown dtype")
    if kind == "tensor_v3" and len(value.args) > _DTYPE_AT:
        return str(getattr(value.args[_DTYPE_AT], "name", kind)).removeprefix("torch.")
    return _LAYOUTS.get(kind, kind.removesuffix("_tensor"))


_MOST_PICKLE = 1 << 28  # bytes of a pickle, which holds names and shapes

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
_COMPLEX = {
    "torch.ComplexDoubleStorage": "complex128",
    "torch.ComplexFloatStorage": "complex64",
    "torch.ComplexHalfStorage": "complex32",
}
_LAYOUTS = {
    "sparse_tensor": "a sparse layout",
    "qtensor": "quantized numbers",
    "meta_tensor_no_storage": "the device meta, without values",
}
_DTYPE_AT = 6  # among the arguments of _rebuild_tensor_v3
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
