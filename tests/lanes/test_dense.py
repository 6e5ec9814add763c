"""Convolutions as products with a dense matrix, against the NumPy op."""

from __future__ import annotations

import numpy as np
import pytest

from npnet.kernels._jit import set_num_threads
from npnet.lanes import dense
from npnet.ops.windows import Window
from tests.kernels import oracle
from tests.lanes.test_conv import assert_epilogue, draw_arrays, kernels

Case = tuple[tuple[int, int], int, int, tuple[tuple[int, int], tuple[int, int]]]

# Size of the images, kernel, stride, padding: each window covers the whole image.
COVERING: list[Case] = [
    ((1, 1), 3, 1, ((1, 1), (1, 1))),  # the last layers of ResNet-18 on images of 32x32
    ((2, 2), 3, 1, ((1, 1), (1, 1))),
    ((2, 2), 3, 2, ((1, 1), (1, 1))),
    ((3, 3), 5, 1, ((2, 2), (2, 2))),
    ((1, 2), 3, 1, ((1, 1), (1, 1))),
    ((2, 1), 4, 1, ((2, 1), (3, 3))),
    ((2, 2), 5, 3, ((3, 3), (3, 0))),
]


def window_of(case: Case) -> Window:
    _, kernel, stride, padding = case
    return Window((kernel, kernel), (stride, stride), padding)


@pytest.mark.parametrize("n", [1, 15, 16, 17, 127])
@pytest.mark.parametrize("case", COVERING, ids=str)
def test_as_the_op(n: int, case: Case) -> None:
    window = window_of(case)
    assert dense.suits_dense(window, case[0], 7, 20)
    arrays = draw_arrays((n, 20, *case[0]), 7, window)
    for fast in (False, True):
        oracle.check(kernels(*arrays, window, fast), oracle.conv2d(*arrays, window))


@pytest.mark.parametrize(
    "case",
    [
        ((3, 3), 3, 1, ((1, 1), (1, 1))),  # the first window ends before the last row
        ((2, 2), 3, 1, ((0, 2), (1, 1))),  # the second begins after the first row
        ((2, 2), 1, 2, ((0, 0), (0, 0))),
    ],
    ids=str,
)
def test_every_window_must_cover_the_image(case: Case) -> None:
    assert not dense.suits_dense(window_of(case), case[0], 7, 20)


def test_a_large_matrix_is_not_made() -> None:
    """That of 512 channels on 2x2 pixels has 16 MB; that of 4096 on 4x4 would have 17 GB."""
    assert dense.suits_dense(Window((3, 3), (1, 1), ((1, 1), (1, 1))), (2, 2), 512, 512)
    wide = Window((7, 7), (1, 1), ((3, 3), (3, 3)))
    assert dense.suits_dense(wide, (4, 4), 8, 8)
    assert not dense.suits_dense(wide, (4, 4), 4096, 4096)


@pytest.mark.parametrize("where", range(4))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("size", [1, 2])
def test_what_is_not_finite_comes_through(size: int, value: float, where: int) -> None:
    window = Window((3, 3), (1, 1), ((1, 1), (1, 1)))
    arrays = draw_arrays((17, 3, size, size), 5, window)
    arrays[where].flat[7 % arrays[where].size] = value
    oracle.check(kernels(*arrays, window), oracle.conv2d(*arrays, window))


@pytest.mark.parametrize("case", COVERING, ids=str)
def test_same_bits_for_any_number_of_threads(case: Case) -> None:
    arrays = draw_arrays((40, 33, *case[0]), 18, window_of(case))
    results = []
    for threads in (1, 2):
        set_num_threads(threads)
        results.append(kernels(*arrays, window_of(case)))
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_gradient_is_the_transpose_of_gather() -> None:
    """The inner product of a matrix with gather(weight) is that of scatter_add with the weight."""
    rng = np.random.default_rng(0)
    window = Window((5, 5), (1, 1), ((2, 2), (2, 2)))
    weight = rng.integers(-9, 9, (4, 3, 5, 5)).astype(np.float32)  # sums of them are exact
    matrix = dense.gather(weight, window, (3, 3))
    other = rng.integers(-9, 9, matrix.shape).astype(np.float32)
    gweight = dense.scatter_add(other, window, (3, 3), 4)
    assert (matrix * other).sum() == (weight * gweight).sum()


def test_residual_and_relu() -> None:
    window = Window((3, 3), (1, 1), ((1, 1), (1, 1)))
    assert_epilogue((17, 6, 2, 2), 6, window, fast=True)
