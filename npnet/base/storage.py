"""The memory that tensors lie on, as PyTorch shows it: one row of values."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from npnet.base.arrays import Array

__all__ = ["TypedStorage", "UntypedStorage", "memory_of"]


def memory_of(x: Array) -> Array:
    """The array that a view was first made of."""
    while True:
        base = x.base
        if not isinstance(base, np.ndarray):
            base = getattr(base, "base", None)  # NumPy's as_strided puts an object between
        if not isinstance(base, np.ndarray) or base.dtype != x.dtype:
            return x
        x = base


class UntypedStorage:
    """All bytes of the memory that a tensor lies on, also those that the tensor does not show.

    What is written here, the tensors on this memory have. Source: `torch.UntypedStorage`.

    Example:
        >>> npnet.tensor([1, 2], dtype=npnet.int16).untyped_storage().nbytes()
        4
    """

    def __init__(self, values: Array) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    size = __len__

    def __getitem__(self, idx: int) -> Any:
        return self._values[self._at(idx)].item()

    def __setitem__(self, idx: int | slice, value: Any) -> None:
        self._values[idx if isinstance(idx, slice) else self._at(idx)] = value

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def _at(self, idx: Any) -> int:
        """A whole number that is a place."""
        kind = type(self).__name__
        if isinstance(idx, slice):
            raise RuntimeError(f"{kind}: slices can be written only; tolist() has a copy of all")
        at = operator.index(idx)
        if not -len(self) <= at < len(self):
            raise IndexError(f"{kind}: index must lie in [{-len(self)}, {len(self) - 1}], got {at}")
        return at

    def tolist(self) -> list[Any]:
        """A copy of all, as numbers of Python's."""
        values: list[Any] = self._values.tolist()
        return values

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return int(self._values.__array_interface__["data"][0])

    def nbytes(self) -> int:
        """How many bytes there are."""
        return self._values.nbytes

    def element_size(self) -> int:
        """Bytes of one value."""
        return self._values.itemsize

    def fill_(self, value: Any) -> UntypedStorage:
        """Write one value everywhere."""
        self._values[...] = value
        return self

    def clone(self) -> UntypedStorage:
        """The same on memory of its own."""
        return type(self)(self._values.copy())

    def cpu(self) -> UntypedStorage:
        """The storage itself: it is there already."""
        return self

    def __repr__(self) -> str:
        values = "".join(f" {value}\n" for value in self)
        return f"{values}[torch.storage.{type(self).__name__}({self._what()}) of size {len(self)}]"

    def _what(self) -> str:
        return "device=cpu"


class TypedStorage(UntypedStorage):
    """The same as values of the tensor's dtype. Source: `torch.TypedStorage`.

    Example:
        >>> npnet.tensor([[1, 2], [3, 4]])[1].storage().tolist()
        [1, 2, 3, 4]
    """

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of its values."""
        return self._values.dtype

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return UntypedStorage(self._values.view(np.uint8))

    def _what(self) -> str:
        return f"dtype=torch.{self.dtype}, device=cpu"
