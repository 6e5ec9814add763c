"""Linear layers in lanes against the NumPy op."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npnet.kernels._jit import set_num_threads
from npnet.ops.linear import Linear
from tests.kernels import oracle
from tests.lanes import by_lanes


def kernels(
    x: oracle.Array, weight: oracle.Array, bias: oracle.Array, gy: oracle.Array
) -> tuple[oracle.Array, ...]:
    """y, gx, gweight, gbias."""
    return by_lanes.run(Linear(), x, weight, bias, gy=gy)


def draw_arrays(n: int, features: int, outputs: int) -> Any:
    rng = np.random.default_rng(0)
    shapes = [(n, features), (outputs, features), (outputs,), (n, outputs)]
    return [rng.standard_normal(s, dtype=np.float32) for s in shapes]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.sampled_from([1, 15, 16, 17, 32, 33, 127]), st.integers(1, 70), st.integers(1, 40))
def test_random_sizes(n: int, features: int, outputs: int) -> None:
    arrays = draw_arrays(n, features, outputs)
    oracle.check(kernels(*arrays), oracle.linear(*arrays))


@pytest.mark.parametrize(("features", "outputs"), [(400, 120), (120, 84), (84, 10), (1, 1)])
def test_layers_of_networks(features: int, outputs: int) -> None:
    arrays = draw_arrays(127, features, outputs)
    oracle.check(kernels(*arrays), oracle.linear(*arrays))


@pytest.mark.parametrize("where", range(4))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_comes_through(where: int, value: float) -> None:
    arrays = draw_arrays(17, 20, 9)
    arrays[where].flat[4] = value
    oracle.check(kernels(*arrays), oracle.linear(*arrays))


def test_same_bits_for_any_number_of_threads() -> None:
    arrays = draw_arrays(100, 50, 30)
    results = []
    for threads in (1, 2):
        set_num_threads(threads)
        results.append(kernels(*arrays))
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


def test_no_bias() -> None:
    x, weight, _, gy = draw_arrays(5, 3, 2)
    y, *_ = by_lanes.run(Linear(), x, weight, gy=gy)
    np.testing.assert_allclose(y, x @ weight.T, rtol=1e-5, atol=1e-6)
