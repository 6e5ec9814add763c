from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from npnet.base.arrays import Array


@cache
def _split() -> list[Array]:
    x, y = load_digits(return_X_y=True)
    return list(train_test_split(x / 16, y, test_size=600, random_state=0, stratify=y))


@pytest.fixture
def digits() -> list[Array]:
    """1,197 and 600 digits of 8x8 pixels in 0..1, float64: x, x_test, y, y_test."""
    return [array.copy() for array in _split()]


@pytest.fixture
def few(digits: list[Any]) -> tuple[Array, Array]:
    """90 digits of three classes."""
    x, _, y, _ = digits
    at = np.flatnonzero(y < 3)[:90]
    return x[at], y[at]
