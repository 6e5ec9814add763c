"""NumPy's functions given tensors, and tensors with ndarrays, as PyTorch has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import npnet

pytestmark = pytest.mark.filterwarnings("ignore:__array_")  # of PyTorch's, which NumPy 2 deprecates

CALLS: dict[str, Callable[[Any], Any]] = {
    "clip": lambda x: np.clip(x, 0, 1),
    "abs": np.abs,
    "sqrt": lambda x: np.sqrt(x + 1),
    "exp": np.exp,
    "sign": np.sign,
    "round": np.round,
    "isnan": np.isnan,
    "maximum": lambda x: np.maximum(x, 0),
    "add": lambda x: np.add(x, x),
    "argmax": np.argmax,
    "transpose": lambda x: np.transpose(x, (1, 0)),
    "squeeze": np.squeeze,
    "reshape": lambda x: np.reshape(x, (2,)),
    "repeat": lambda x: np.repeat(x, 2, 0),
    "cumsum": np.cumsum,
    "concatenate": lambda x: np.concatenate([x, x]),
    "vstack": lambda x: np.vstack([x, x]),
    "where": lambda x: np.where(x > 0, x, 0),
    "expand_dims": lambda x: np.expand_dims(x, 0),
    "copy": np.copy,
    "dot": lambda x: np.dot(x, x.t()),
    "sqrt of one": lambda x: np.sqrt(x[0, 1]),
    "norm": np.linalg.norm,
    "array of ones": lambda x: np.array([x[0, 0], x[0, 1]]),
    "float32": lambda x: np.float32(x[0, 0]),
    "+": lambda x: x + np.ones(2),
    "-": lambda x: x - np.ones((3, 1)),
    "*": lambda x: x * np.ones(2, np.float32),
    "/": lambda x: x / np.full(2, 4),
    "**": lambda x: x ** np.full(2, 2),
    "number": lambda x: np.float64(3) * x / np.float64(2),
}


@pytest.mark.parametrize("name", CALLS)
def test_numpy_gives_what_it_gives_of_pytorchs(name: str) -> None:
    values = np.array([[-1.0, 2.0]], np.float32)
    ours, theirs = (CALLS[name](lib.from_numpy(values)) for lib in (npnet, torch))
    assert isinstance(ours, npnet.Tensor) == isinstance(theirs, torch.Tensor)
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("lib", [npnet, torch])
def test_with_an_ndarray_the_name_gets_a_new_tensor(lib: Any) -> None:
    x = y = lib.ones(2)
    x += np.ones(2)
    x -= np.zeros(2)
    x *= np.full(2, 3.0)
    x /= np.full(2, 2.0)
    assert (x.tolist(), y.tolist()) == ([3, 3], [1, 1])
    assert (x.dtype, y.dtype) == (lib.float64, lib.float32)


@pytest.mark.parametrize("lib", [npnet, torch])
@pytest.mark.parametrize("call", [lambda x: x + np.ones(2), lambda x: np.exp(x)])
def test_what_wants_a_gradient_is_not_handed_to_numpy(lib: Any, call: Any) -> None:
    with pytest.raises(RuntimeError, match=r"requires? (a )?grad"):
        call(lib.ones(2, requires_grad=True))
