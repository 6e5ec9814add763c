"""The LSTM whose cells are by kernels against the NumPy op in float64."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from npnet.base.arrays import Array
from npnet.ops.recurrent import LSTM
from tests.kernels import oracle
from tests.lanes import by_lanes

FLOAT32 = {"rtol": 2e-5, "atol": 2e-5}  # sums of some hundred products


def draw(length: int, n: int, inputs: int, hidden: int, projection: int) -> list[Array]:
    """x, h, c, the weights and the biases."""
    width, gates = projection or hidden, 4 * hidden
    shapes = [(length, n, inputs), (n, width), (n, hidden), (gates, inputs), (gates, width)]
    shapes += [(gates,), (gates,)] + ([(projection, hidden)] if projection else [])
    rng = np.random.default_rng(hidden)
    return [rng.uniform(-0.5, 0.5, shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize("hidden", [1, 15, 16, 17, 40])
@pytest.mark.parametrize("projection", [0, 3])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("counts", [None, [5, 5, 2, 1]])
def test_as_numpy(
    hidden: int, projection: int, reverse: bool, counts: Sequence[int] | None
) -> None:
    arrays = draw(4, 5, 7, hidden, min(projection, hidden))
    gy = np.random.default_rng(1).standard_normal((6, 5, hidden), np.float32)
    ours = by_lanes.run(LSTM(reverse, counts), *arrays, gy=gy)
    wide = [a.astype(np.float64) for a in arrays]
    want = oracle.apply(LSTM(reverse, counts), *wide, gy=gy.astype(np.float64))
    assert len(ours) == len(want) == len(arrays) + 1
    for a, b in zip(ours, want, strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, **FLOAT32)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_what_is_not_finite(value: float) -> None:
    """NaN comes through; saturated gates are 0 and 1, in the sequence where they are."""
    arrays = draw(3, 2, 4, 16, 0)
    arrays[0][1, 1, 2] = value
    gy = np.ones((5, 2, 16), np.float32)
    ours, want = (
        by_lanes.run(LSTM(False, None), *arrays, gy=gy),
        oracle.apply(LSTM(False, None), *arrays, gy=gy),
    )
    for a, b in zip(ours[:2], want[:2], strict=True):
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
        np.testing.assert_allclose(a[:, 0], b[:, 0], **FLOAT32)
