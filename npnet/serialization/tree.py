"""Nested dicts and lists of tensors as a tree that JSON takes and the tensors it refers to.

None, bool, int, str, finite float    as they are
NaN and infinities                    {"float": "nan"}
list                                  [...]
tuple                                 {"tuple": [...]}
dict, OrderedDict, Counter            {"dict": [[key, value], ...]}
Tensor                                {"tensor": name}, {"tensor": name, "requires_grad": true}
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = ["decode", "encode"]


_MAPPINGS: dict[str, type[dict[Any, Any]]] = {
    "dict": dict,
    "OrderedDict": OrderedDict,
    "Counter": Counter,
}
_NUMBERS: dict[type, Callable[[Any], Any]] = {
    np.bool_: bool,
    np.integer: int,
    np.floating: float,
}
_RESERVED = "__metadata__"  # in the header of a safetensors file, no tensor may have this name


def encode(obj: Any) -> tuple[Any, dict[str, Array]]:
    """The tree of an object, and the arrays in it by name.

    Raises:
        TypeError: something in it is neither a container, a tensor nor a number, string or None;
            names where.
        ValueError: a container contains itself, or they are nested too deep.
    """
    encoder = _Encoder()
    try:
        return encoder.encode(obj, None), encoder.arrays
    except RecursionError:
        raise ValueError("save: containers are nested too deep; flatten them") from None


def decode(tree: Any, arrays: Mapping[str, Array]) -> Any:
    """The object of a tree. ValueError if it is none, or refers to an array that is not there."""
    if isinstance(tree, list):
        return [decode(item, arrays) for item in tree]
    if not isinstance(tree, dict):
        return tree
    match tree:
        case {"tensor": str(name), **options} if name in arrays:
            return result(arrays[name]).requires_grad_(bool(options.get("requires_grad")))
        case {"float": str(text)}:
            return float(text)
        case {"tuple": list(items)}:
            return tuple(decode(item, arrays) for item in items)
    [(kind, pairs)] = tree.items()
    if kind in _MAPPINGS and isinstance(pairs, list):
        return _MAPPINGS[kind]({_key(key): decode(value, arrays) for key, value in pairs})
    raise ValueError(f"{kind} {pairs!r} is not known")


def _key(key: Any) -> str | int:
    if isinstance(key, (str, int)):
        return key
    raise ValueError(f"{key!r} is no key")


class _Encoder:
    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}
        self._around: set[int] = set()  # the containers that the present one is in

    def encode(self, obj: Any, path: str | None) -> Any:
        kind = type(obj)
        if obj is None or kind in (bool, int, str):
            return obj
        if kind is float:
            return obj if math.isfinite(obj) else {"float": str(obj)}
        for numpy_kind, python_kind in _NUMBERS.items():
            if isinstance(obj, numpy_kind):
                return self.encode(python_kind(obj), path)
        if isinstance(obj, Tensor):
            return self._tensor(obj, path)
        if kind in (list, tuple) or kind in _MAPPINGS.values():
            return self._container(obj, path)
        raise TypeError(f"save: {_place(path)}: {_refusal(obj)}")

    def _container(self, obj: Any, path: str | None) -> Any:
        if id(obj) in self._around:
            raise ValueError(f"save: {_place(path)}: contains itself")
        self._around.add(id(obj))
        try:
            if isinstance(obj, dict):
                return {type(obj).__name__: [self._pair(k, v, path) for k, v in obj.items()]}
            items = [self.encode(item, f"{path or ''}[{i}]") for i, item in enumerate(obj)]
            return items if isinstance(obj, list) else {"tuple": items}
        finally:
            self._around.discard(id(obj))

    def _pair(self, key: Any, value: Any, path: str | None) -> list[Any]:
        if type(key) is int:
            return [key, self.encode(value, f"{path or ''}[{key}]")]
        if type(key) is str:
            return [key, self.encode(value, key if path is None else f"{path}.{key}")]
        raise TypeError(
            f"save: {_place(path)}: keys must be strings or ints, got {key!r} "
            f"({type(key).__name__})"
        )

    def _tensor(self, tensor: Tensor, path: str | None) -> Any:
        if tensor.dtype.itemsize > 8:
            raise TypeError(f"save: {_place(path)}: {tensor.dtype} has no place in a file")
        stem = "tensor" if path is None else path.encode("utf-8", "backslashreplace").decode()
        name, count = stem, 1
        while name in self.arrays or name == _RESERVED:
            count += 1
            name = f"{stem}#{count}"
        self.arrays[name] = tensor.array
        return {"tensor": name} | ({"requires_grad": True} if tensor.requires_grad else {})


def _place(path: str | None) -> str:
    return "the object" if path is None else path


def _refusal(obj: Any) -> str:
    kind = type(obj).__name__
    if isinstance(obj, np.ndarray):
        return "ndarray is not saved; wrap it by npnet.from_numpy"
    if callable(getattr(obj, "state_dict", None)):
        return f"{kind} is not saved; save its state_dict()"
    return f"{kind} is not saved, only tensors, numbers, strings, None and dicts and lists of these"
