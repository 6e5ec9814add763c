"""The lane layout: there and back, alignment, and memory that comes back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npnet.kernels import lanes

SHAPES = [(1, 3), (15, 7), (16, 16), (17, 33), (127, 3, 5, 5), (128, 1, 8, 8), (0, 4), (5, 0)]


@pytest.mark.parametrize("shape", SHAPES)
def test_there_and_back(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    y = lanes.to_lanes(x)
    blocks = -(-shape[0] // 16)
    assert y.shape == (blocks, *shape[1:], 16)
    want = np.zeros((blocks * 16, *shape[1:]), np.float32)
    want[: shape[0]] = x
    want = np.moveaxis(want.reshape((blocks, 16, *shape[1:])), 1, -1)
    np.testing.assert_array_equal(y, want)
    np.testing.assert_array_equal(lanes.from_lanes(y, shape[0]), x)


def test_strided_and_read_only_images() -> None:
    x = np.arange(17 * 6 * 4, dtype=np.float32).reshape(17, 6, 4)[:, ::2]
    x.flags.writeable = False
    np.testing.assert_array_equal(lanes.from_lanes(lanes.to_lanes(x), 17), x)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=5))
def test_arrays_are_aligned(shape: list[int]) -> None:
    x = lanes.zeros(tuple(shape))
    assert x.shape == tuple(shape)
    assert x.dtype == np.float32
    assert x.flags.c_contiguous
    assert x.flags.writeable
    assert not x.size or x.ctypes.data % 64 == 0
    assert not x.any()


def test_memory_comes_back_with_the_last_view() -> None:
    x = lanes.empty((3, 5, 7))
    place, view = x.ctypes.data, x[1:]
    del x
    assert lanes.empty((3, 5, 7)).ctypes.data != place
    del view
    pieces = [lanes.empty((3, 5, 7)) for _ in range(lanes.MOST_PIECES)]
    assert place in [p.ctypes.data for p in pieces]
