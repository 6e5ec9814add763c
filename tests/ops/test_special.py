"""The error function of narrow floats, which is not `math`'s."""

from __future__ import annotations

import math

import numpy as np
import pytest

from npnet.ops.special import erf_of

ULPS = 0.92  # half a unit is the rounding to float32, the rest the error of the quotient before it


def test_erf_of_float32_is_that_of_math() -> None:
    ends = np.float32([0, 1e-38, 3.8, 3.9, 3.92, 3.999, 4, 4.001, 6, 1e30, np.inf])
    x = np.concatenate([np.linspace(0, 4.5, 40001), np.logspace(-37, 0, 2001), ends])
    x = np.concatenate([x, -x]).astype(np.float32)
    exact = np.array([math.erf(value) for value in x.tolist()])
    y = erf_of(x)
    assert y.dtype == np.float32
    assert (np.abs(y - exact) <= ULPS * np.spacing(np.abs(exact).astype(np.float32))).all()
    assert (np.abs(y) <= 1).all()
    assert (np.abs(y[np.abs(x) >= 4]) == 1).all()
    assert (np.signbit(y) == np.signbit(x)).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_erf_of_nothing_one_number_and_nan(dtype: type[np.floating]) -> None:
    assert erf_of(np.empty((2, 0), dtype)).shape == (2, 0)
    for value in (np.nan, 0.5, -np.inf):
        y = erf_of(np.asarray(value, dtype))
        assert y.shape == ()
        assert y.dtype == dtype
        np.testing.assert_array_equal(y, np.asarray(math.erf(value), dtype))
