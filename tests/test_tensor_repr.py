"""Tensors print as PyTorch's do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import npnet


def as_npnet(text: str) -> str:
    """What torch printed, with npnet's name and no backward ops, which are named otherwise."""
    return text.replace("torch.", "npnet.")


def both(values: Any, dtype: str | None = None, **options: Any) -> tuple[str, str]:
    def build(lib: Any) -> Any:
        return lib.tensor(values, dtype=None if dtype is None else getattr(lib, dtype), **options)

    return repr(build(npnet)), as_npnet(repr(build(torch)))


VALUES: dict[str, Any] = {
    "float": 3.14159,
    "whole float": 2.0,
    "tiny": 1e-9,
    "int": 7,
    "bool": True,
    "nan": float("nan"),
    "empty": [],
    "floats": [1.0, 2.5, -3.25],
    "whole floats": [1.0, -20.0, 300.0],
    "wide range": [1e-4, 1.0, 1e4],
    "large": [1e9, 2e9],
    "small": [1e-5, 2e-5],
    "infinite": [1.0, float("inf"), float("-inf"), float("nan"), 0.0],
    "only nan": [float("nan"), float("inf")],
    "zeros": [0.0, 0.0],
    "ints": [1, -20, 300],
    "bools": [True, False],
    "matrix": [[1.5, 2.0], [-3.25, 4.0]],
    "int matrix": [[1, 2], [-30, 4]],
    "bool matrix": [[True, False], [False, True]],
    "cube": [[[1.0, 2.0]], [[3.0, 4.5]]],
    "many": list(range(100)),
    "too many": list(range(1001)),
    "rows cut": [[float(i * j) for j in range(60)] for i in range(60)],
    "columns cut": [[i / 7 for i in range(600)], [1.0] * 600],
}


@pytest.mark.parametrize("name", VALUES)
def test_usual_tensors(name: str) -> None:
    ours, theirs = both(VALUES[name])
    assert ours == theirs
    assert str(npnet.tensor(VALUES[name])) == ours


@pytest.mark.parametrize("dtype", ["float64", "int32", "uint8", "int16"])
@pytest.mark.parametrize("values", [[1, 2], [], 3, [[]]], ids=str)
def test_dtypes_that_are_not_default(dtype: str, values: Any) -> None:
    ours, theirs = both(values, dtype)
    assert ours == theirs


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0), (1, 1, 1, 1), (2, 3, 2, 2), (12, 12, 12)])
def test_shapes(shape: tuple[int, ...]) -> None:
    ours, theirs = both(np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 3)
    assert ours == theirs


@pytest.mark.parametrize("count", [1, 8, 9, 60, 2000])
def test_requires_grad_goes_to_a_line_of_its_own_where_it_does_not_fit(count: int) -> None:
    ours, theirs = both([0.5] * count, requires_grad=True)
    assert ours == theirs
    assert "requires_grad=True" in ours


@pytest.mark.parametrize("count", [1, 6, 8, 9, 60])
def test_grad_fn_shows_the_op(count: int) -> None:
    def text(lib: Any) -> str:
        shown = repr(lib.full((count,), 0.25).requires_grad_() * 2)
        return " ".join(shown.replace("MulBackward0", "MulBackward").split())

    assert text(npnet) == text(torch)
    assert "grad_fn=<MulBackward>" in text(npnet)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(max_dims=3, max_side=7),
        elements=st.one_of(
            st.floats(-10, 10, width=32),
            st.floats(width=32),
            st.integers(-2000, 2000).map(float),
        ),
    )
)
def test_random_floats(values: np.ndarray[Any, Any]) -> None:
    ours, theirs = both(values)
    assert ours == theirs


@pytest.fixture
def _options() -> Iterator[None]:
    yield
    for lib in (npnet, torch):
        lib.set_printoptions(profile="default")


@pytest.mark.usefixtures("_options")
@pytest.mark.parametrize(
    "options",
    [
        {"precision": 2},
        {"linewidth": 40},
        {"threshold": 10, "edgeitems": 2},
        {"profile": "short"},
        {"profile": "full"},
        {"sci_mode": True},
        {"sci_mode": False, "precision": 6},
    ],
    ids=str,
)
def test_options(options: dict[str, Any]) -> None:
    for lib in (npnet, torch):
        lib.set_printoptions(**options)
    values = np.linspace(-1, 1, 30, dtype=np.float32).reshape(2, 15)
    ours, theirs = both(values)
    assert ours == theirs


def test_format_of_one_value() -> None:
    loss = npnet.tensor(0.123456, requires_grad=True)
    assert f"{loss:.4f} {loss.item():.2f} {npnet.tensor(3):03d}" == "0.1235 0.12 003"
    assert f"{npnet.tensor([1.0])}" == "tensor([1.])"


def test_parameter() -> None:
    ours = repr(npnet.nn.Parameter(npnet.ones(2)))
    assert ours == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert ours == repr(torch.nn.Parameter(torch.ones(2)))
