"""What the tests of pages share: random numbers, and NumPy alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.random import Generator

import npnet


@pytest.fixture
def rng() -> Generator:
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _by_numpy() -> None:
    npnet.set_backend("numpy")  # one picture is not worth compiling kernels for
