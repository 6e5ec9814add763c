"""The memory of tensors, as storages show it, in both libraries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import npnet

pytestmark = pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
LIBRARIES: list[Any] = [npnet, torch]
KINDS = pytest.mark.parametrize("kind", ["storage", "untyped_storage"])


def made(lib: Any) -> Any:
    return lib.from_numpy(np.arange(6, dtype=np.float32).reshape(2, 3).copy())


@KINDS
def test_is_what_pytorchs_is(kind: str) -> None:
    """A view has all of the memory that it was made on; repr, lengths and values are PyTorch's."""
    ours, theirs = (getattr(made(lib)[1], kind)() for lib in LIBRARIES)
    assert ours.tolist() == theirs.tolist() == list(ours)
    assert (len(ours), ours.size(), ours.nbytes()) == (len(theirs), theirs.size(), theirs.nbytes())
    assert (ours[2], ours[-1], ours.element_size()) == (
        theirs[2],
        theirs[-1],
        theirs.element_size(),
    )
    assert repr(ours) == repr(theirs)
    assert npnet.is_storage(ours)
    assert type(ours).__name__ == type(theirs).__name__


@pytest.mark.parametrize("lib", LIBRARIES)
def test_is_the_tensors_memory(lib: Any) -> None:
    x = made(lib)
    storage = x[1].storage()
    assert storage.data_ptr() == x.data_ptr() == x.untyped_storage().data_ptr()
    storage[4] = 7.0
    assert x[1, 1] == 7
    kept = storage.clone()
    storage.fill_(2)
    assert x.tolist() == [[2.0] * 3] * 2
    assert kept.tolist() == [0, 1, 2, 3, 7, 5]
    storage[1:3] = 5
    assert x[0].tolist() == [2, 5, 5]


@KINDS
@pytest.mark.parametrize(("index", "error"), [(99, IndexError), ("a", TypeError)])
def test_refuses_other_places(kind: str, index: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        getattr(made(npnet), kind)()[index]


def test_slices_are_only_written() -> None:
    with pytest.raises(RuntimeError, match="slices can be written only; tolist"):
        made(npnet).storage()[1:]
