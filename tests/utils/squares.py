"""Data sets to test with, and what a loader gives of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from npnet.tensor import Tensor
from npnet.utils.data import DataLoader, Dataset

__all__ = ["Squares", "Taken", "X", "Y", "assert_same", "batches_of", "order_of"]

X = np.arange(30, dtype=np.float32).reshape(10, 3)
Y = np.arange(10)


class Squares(Dataset):
    """Item i is (i, i * i), without take."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[int, int]:
        if index >= self.count:
            raise IndexError(index)
        return index, index * index


class Taken(Squares):
    """Squares with a take that counts its calls."""

    calls = 0

    def take(self, indices: Any) -> tuple[Any, Any]:
        self.calls += 1
        return indices, indices * indices


def batches_of(loader: DataLoader) -> list[list[int]]:
    """The batches of the last tensor of each."""
    return [batch[-1].tolist() for batch in loader]


def order_of(loader: DataLoader) -> list[int]:
    return [number for batch in batches_of(loader) for number in batch]


def assert_same(ours: Any, theirs: Any) -> None:
    """Ours is what PyTorch gave, tensor for tensor."""
    if isinstance(theirs, torch.Tensor):
        assert isinstance(ours, Tensor)
        assert ours.dtype == theirs.numpy().dtype
        np.testing.assert_array_equal(ours, theirs)
    elif isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key in theirs:
            assert_same(ours[key], theirs[key])
    elif isinstance(theirs, (list, tuple)):
        assert type(ours) is type(theirs)
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert_same(a, b)
    else:
        assert ours == theirs
