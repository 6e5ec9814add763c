"""`npnet.testing.assert_close` refuses what PyTorch's refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import npnet
import npnet.testing
import npnet.types

nan = float("nan")
ROWS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "equal": ([1.0, 2.0], [1.0, 2.0], {}),
    "near": ([1.0], [1.0 + 1e-6], {}),
    "not near": ([1.0], [1.001], {}),
    "near enough": ([1.0], [1.001], {"rtol": 0, "atol": 0.01}),
    "relative": ([1000.0], [1001.0], {"rtol": 1e-2, "atol": 0}),
    "nan": ([nan], [nan], {}),
    "equal nan": ([nan], [nan], {"equal_nan": True}),
    "infinite": ([float("inf")], [float("inf")], {}),
    "one infinite": ([float("inf")], [1.0], {}),
    "shape": ([1.0, 1.0], [1.0], {}),
    "one tolerance": ([1.0], [1.0], {"rtol": 1.0}),
}


def _closeness(lib: Any, a: Any, b: Any, options: dict[str, Any]) -> type[Exception] | None:
    try:
        lib.testing.assert_close(a, b, **options)
    except (AssertionError, ValueError) as error:
        return type(error)
    return None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", ROWS)
def test_as_pytorchs(row: str, dtype: str) -> None:
    a, b, options = ROWS[row]
    said = [
        _closeness(lib, *(lib.tensor(x, dtype=getattr(lib, dtype)) for x in (a, b)), options)
        for lib in (npnet, torch)
    ]
    assert said[0] == said[1]


@pytest.mark.parametrize("lib", [npnet, torch])
def test_parts_and_dtypes(lib: Any) -> None:
    one, two = lib.ones(2), lib.ones(2).double()
    assert _closeness(lib, one, two, {}) is AssertionError
    assert _closeness(lib, one, two, {"check_dtype": False}) is None
    assert _closeness(lib, {"a": [one, 1.0]}, {"a": [one, 1.0]}, {}) is None
    assert _closeness(lib, {"a": [one, 1.0]}, {"a": [one, 2.0]}, {}) is AssertionError
    assert _closeness(lib, [one], [one, one], {}) is AssertionError
    with pytest.raises(AssertionError, match="mine"):
        lib.testing.assert_close(one, one + 1, msg="mine")


def test_what_differs_is_said() -> None:
    x = npnet.zeros(2, 3)
    x[1, 2] = 0.5
    with pytest.raises(AssertionError, match=r"1 / 6 \(16.7%\)\n.*0.5 .*\n.*index \(1, 2\): 0.5"):
        npnet.testing.assert_close(x, npnet.zeros(2, 3))
