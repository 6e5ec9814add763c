"""Forms of calls that programs use beside the usual one: PyTorch's result, or its refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import npnet


def written(x: Any, index: Any, value: Any) -> Any:
    x[index] = value
    return x


GIVEN: dict[str, Callable[[Any], Any]] = {
    "searchsorted of integers": lambda t: t.searchsorted(t.arange(5), t.tensor([1.5, 2])),
    "searchsorted of floats": lambda t: t.searchsorted(t.arange(5.0), t.tensor([1, 2])),
    "searchsorted of a 0-d": lambda t: t.searchsorted(t.arange(5), t.tensor(1.5)),
    "bucketize": lambda t: t.bucketize(t.tensor([1, 2]), t.arange(5.0).double()),
    "equal": lambda t: t.equal(t.arange(5), t.arange(5.0)),
    "not equal": lambda t: t.equal(t.arange(5), t.arange(5.0) + 0.5),
    "equal of other sizes": lambda t: t.equal(t.arange(5), t.arange(4.0)),
    "randint": lambda t: t.randint(high=1, size=(2,)),
    "numpy": lambda t: t.ones(2, requires_grad=True).numpy(force=True),
    "view": lambda t: t.ones(2, 3).view(t.int32),
    "view of halves": lambda t: t.tensor([1.0, -2.5]).view(dtype=t.int16),
    "view of wider": lambda t: t.arange(8.0).view(2, 4).view(t.int64),
    "view of bytes": lambda t: t.arange(3).view(t.uint8),
    "view of columns": lambda t: t.arange(6.0).view(2, 3).t().view(t.int32),
    "ModuleDict": lambda t: list(t.nn.ModuleDict([["a", t.nn.ReLU()], ("b", t.nn.ELU())])),
    "-1 into bytes": lambda t: written(t.zeros(3, dtype=t.uint8), 0, -1),
    "-1 fills bytes": lambda t: t.zeros(3, dtype=t.uint8).fill_(-255),
    "-1 of bytes": lambda t: t.tensor([[-1, 3]], dtype=t.uint8),
    "dlpack": lambda t: np.from_dlpack(t.arange(3)),
}
REFUSED: dict[str, Callable[[Any], Any]] = {
    "300 into bytes": lambda t: t.zeros(2, dtype=t.uint8).fill_(300),
    "-256 into bytes": lambda t: t.zeros(2, dtype=t.uint8).fill_(-256),
    "200 into chars": lambda t: written(t.zeros(2, dtype=t.int8), 0, 200),
    "view of a number": lambda t: t.tensor(1.0).view(t.int16),
    "view of columns": lambda t: t.arange(6.0).view(2, 3).t().view(t.int16),
    "view of odd": lambda t: t.arange(3.0).view(t.float64),
    "dlpack of a leaf": lambda t: np.from_dlpack(t.ones(2, requires_grad=True)),
    "randint without high": lambda t: t.randint(size=(2,)),
}


@pytest.mark.parametrize("name", GIVEN)
def test_given(name: str) -> None:
    ours, theirs = GIVEN[name](npnet), GIVEN[name](torch)
    if isinstance(theirs, torch.Tensor):
        ours, theirs = ours.numpy(), theirs.numpy()
    assert getattr(ours, "dtype", None) == getattr(theirs, "dtype", None)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    for lib in (npnet, torch):
        with pytest.raises((RuntimeError, BufferError, TypeError)):
            REFUSED[name](lib)


@pytest.mark.parametrize("lib", [npnet, torch])
def test_a_view_in_another_dtype_is_the_same_memory(lib: Any) -> None:
    x = lib.zeros(2)
    x.view(lib.int32).fill_(0x3F800000)
    assert x.tolist() == [1, 1]
    shown = np.from_dlpack(x)
    x.mul_(2)
    assert shown.tolist() == [2, 2]
