"""NumPy's names of arguments, and its arrays beside tensors, as PyTorch takes them."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch

import npnet

# What PyTorch does not write in C++, and what has an axis under another name.
NOT_NATIVE = {"atleast_1d", "split", "tensordot", "norm", "stft", "unravel_index"}
NAMES = [
    name
    for name in npnet.__all__
    if not name.startswith("_")
    and hasattr(f := getattr(npnet, name), "__wrapped__")
    and "dim" in (code := inspect.unwrap(f).__code__).co_varnames[: code.co_argcount]
    and callable(getattr(torch, name, None))
]
MATRIX = [[3.0, 1.0, 2.0], [0.5, 4.0, 1.5]]
GIVEN: dict[str, tuple[Any, ...]] = {
    "cat": ("both",),
    "chunk": (2,),
    "gather": ("index",),
    "index_select": ("row",),
    "kthvalue": (1,),
    "logsumexp": (),
    "stack": ("both",),
    "tensor_split": (2,),
    "topk": (1,),
    "unflatten": (),
}


def test_the_usual_functions_are_among_them() -> None:
    wanted = "sum mean max min argmax argmin std var prod cumsum softmax log_softmax logsumexp sort"
    wanted += (
        " topk all any amax amin median count_nonzero squeeze unsqueeze cat stack chunk gather"
    )
    assert set(wanted.split()) <= set(NAMES)


def _called(lib: Any, name: str, method: bool) -> Any:
    x = lib.tensor(MATRIX)
    parts = {"both": [x, x], "index": lib.tensor([[0], [2]]), "row": lib.tensor([1])}
    given = [parts.get(a, a) for a in GIVEN.get(name, ())]
    if name in ("gather", "index_select"):
        named = {"axis": 1, "index": given[0]}
        return (getattr(x, name) if method else lambda **k: getattr(lib, name)(x, **k))(**named)
    if name in ("cat", "stack"):
        return getattr(lib, name)(*given, axis=1)
    if method:
        return getattr(x, name)(*given, axis=1)
    return getattr(lib, name)(x, *given, axis=1)


@pytest.mark.parametrize("method", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_an_axis_by_its_other_name(name: str, method: bool) -> None:
    """Where PyTorch takes it, with what it gives; what else is missing is missing in both."""
    if method and not hasattr(torch.Tensor, name):
        return
    try:
        theirs = _called(torch, name, method)
    except (TypeError, RuntimeError, IndexError):
        return
    ours = _called(npnet, name, method)
    pairs = zip(_tensors(ours), _tensors(theirs), strict=True)
    for a, b in pairs:
        np.testing.assert_allclose(np.asarray(a.tolist()), np.asarray(b.tolist()), rtol=1e-6)


def _tensors(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def test_names_are_translated_once() -> None:
    x: Any = npnet.ones(2, 3)
    lib: Any = npnet
    assert x.sum(axis=0, keepdims=True).shape == (1, 3)
    assert lib.sum(x=x, axis=1).tolist() == [3, 3]
    with pytest.raises(TypeError, match="got both axis and dim"):
        x.sum(axis=0, dim=0)
    with pytest.raises(TypeError, match="axs"):
        x.sum(axs=0)


@pytest.mark.parametrize("lib", [npnet, torch])
def test_arrays_are_compared_value_by_value(lib: Any) -> None:
    x, array = lib.tensor([1, 2]), np.array([1, 3])
    assert (x == array).tolist() == [True, False]
    assert (array == x).tolist() == [True, False]
    if lib is npnet:  # in PyTorch this is True, of an array and a tensor that are two objects
        assert (x != array).tolist() == [False, True]
    assert (x == None) is False  # noqa: E711
    assert (x == "a") is False


def test_a_tensor_of_pytorchs_is_not_just_unequal() -> None:
    with pytest.raises(TypeError, match="a PyTorch tensor"):
        npnet.tensor([1]) == torch.tensor([1])  # noqa: B015


@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")
def test_an_array_divided_by_a_tensor() -> None:
    for lib in (npnet, torch):
        y: Any = np.array([1.0, 2.0]) / lib.tensor([1.0, 4.0])
        assert type(y) is lib.Tensor
        assert (str(y.dtype)[-7:], y.tolist()) == ("float64", [1.0, 0.5])


@pytest.mark.parametrize(
    "data",
    [
        [np.float64(3), 2.0],
        [2.0, np.float64(3)],
        [[1.0], [np.float64(2)]],
        [True, np.float64(2)],
        (np.float64(1),),
        [np.float32(1), 2.0],
        [np.float16(1), 2.0],
        [np.int32(1), 2],
        [np.int64(1), 2.5],
        [1.0, 2],
        [],
    ],
)
def test_numpys_numbers_in_lists_keep_their_dtype(data: Any) -> None:
    assert f"torch.{npnet.tensor(data).dtype}" == str(torch.tensor(data).dtype)
