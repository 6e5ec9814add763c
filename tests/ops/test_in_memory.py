"""Arithmetic in place with nothing to record: the bits of the op beside, counted as a write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import npnet
from npnet.base.arrays import Array
from npnet.ops import in_memory

CALLS: dict[str, Callable[..., Any]] = {
    "add": lambda f, x, a, b: f(x, a),
    "add a number": lambda f, x, a, b: f(x, 1e300),
    "add scaled": lambda f, x, a, b: f(x, a, alpha=-0.3),
    "sub": lambda f, x, a, b: f(x, a),
    "sub scaled": lambda f, x, a, b: f(x, a, alpha=3),
    "mul": lambda f, x, a, b: f(x, a),
    "mul by a number": lambda f, x, a, b: f(x, 0.1),
    "div": lambda f, x, a, b: f(x, b),
    "div by a number": lambda f, x, a, b: f(x, 0),
    "addcmul": lambda f, x, a, b: f(x, a, b),
    "addcmul scaled": lambda f, x, a, b: f(x, a, b, value=-0.3),
    "addcdiv": lambda f, x, a, b: f(x, a, b),
    "addcdiv scaled": lambda f, x, a, b: f(x, x, b, value=3),
}


def _values(dtype: str, layout: str) -> list[Array]:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((4, 6)).astype(dtype) for _ in range(3)]
    arrays[2][1, 2] = 0
    if layout == "scalar":
        return [np.asarray(a[0, 0]) for a in arrays]
    return [a[:, ::2].T for a in arrays] if layout == "strided" else arrays


@pytest.mark.parametrize("layout", ["whole", "strided", "scalar"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CALLS)
def test_same_bits_as_the_op(name: str, dtype: str, layout: str) -> None:
    op, call = name.split()[0], CALLS[name]
    x, a, b = (npnet.from_numpy(values) for values in _values(dtype, layout))
    expected = call(getattr(npnet, op), x, a, b).numpy()
    memory, writes = x.array, x._version.writes
    assert call(getattr(in_memory, op), x, a, b)
    assert x.array is memory
    assert_array_equal(x.numpy(), expected, strict=True)
    assert x._version.writes == writes + 1


@pytest.mark.parametrize(
    ("x", "other"),
    [
        (npnet.ones(3, dtype=npnet.int64), npnet.ones(3, dtype=npnet.int64)),
        (npnet.ones(3), npnet.ones(3, dtype=npnet.float64)),
        (npnet.ones(2, 3), npnet.ones(3)),
        (npnet.ones(3), True),
        (npnet.ones(1).expand(3), npnet.ones(3)),
        (npnet.ones(3), npnet.ones(3, requires_grad=True)),
        (npnet.ones(3, requires_grad=True), npnet.ones(3)),
    ],
    ids=["whole", "promoted", "broadcast", "bool", "expanded", "recorded", "leaf"],
)
def test_what_is_not_so_simple_is_the_ops(x: npnet.Tensor, other: Any) -> None:
    before = x.tolist()
    assert not in_memory.add(x, other)
    assert x.tolist() == before


def test_a_write_is_noticed_by_what_was_saved() -> None:
    w, x = npnet.ones(3, requires_grad=True), npnet.ones(3)
    y = (w * x).sum()
    x.mul_(2.0)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_parameters_are_written_under_no_grad() -> None:
    w = npnet.ones(3, requires_grad=True)
    memory = w.detach().numpy()
    with npnet.no_grad():
        w -= npnet.ones(3) * 0.5
        w.add_(npnet.ones(3), alpha=-0.25)
    assert w.is_leaf
    assert w.requires_grad
    assert_array_equal(memory, np.full(3, 0.25, np.float32))
