"""Batch norm kernels against the NumPy op."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npnet.kernels import lanes
from npnet.kernels._jit import set_num_threads
from npnet.lanes import norm as by_lanes
from npnet.lanes.fusion import masked
from npnet.lanes.layout import Lanes
from npnet.ops.activation import ReLU
from npnet.ops.norm import BatchNorm
from npnet.tensor import Tensor
from tests.kernels import oracle

EPS = 1e-5
# Sums of some thousand float32 numbers against float64, relative to the largest result.
FLOAT32 = 1e-5
NAMES = ("y", "gx", "gr", "gweight", "gbias")

Arrays = list[oracle.Array]


def kernels(arrays: Arrays, training: bool, adds: bool, relu: bool) -> tuple[oracle.Array, ...]:
    x, r, gy, weight, bias, mean, var = arrays
    n = len(x)
    x, r, gy = (oracle.spoiled(a) for a in (x, r, gy))
    function = by_lanes.BatchNorm(BatchNorm(EPS, None if training else (mean, var)))
    result = function.forward(Lanes(x, n), weight, bias)
    waits = result.with_residual(Lanes(r, n)) if adds else result
    y = waits.pending.compute(n, relu=relu)
    g, constants = Lanes(gy, n), None if adds else function.constants
    if relu:
        g = masked(g, y, constants)
    gx, gweight, gbias = function.backward(g)
    gr = g.blocks if adds and relu else gy
    return (*(lanes.from_lanes(a, n) for a in (y, gx.blocks, gr)), gweight, gbias)


def statistics(x: oracle.Array) -> tuple[oracle.Array, oracle.Array]:
    one, op = np.ones(x.shape[1], np.float32), BatchNorm(EPS, None)
    by_lanes.BatchNorm(op).forward(Lanes(oracle.spoiled(x), len(x)), one, one)
    return op.mean, op.var


def in_numpy(arrays: Arrays, training: bool, adds: bool, relu: bool) -> list[oracle.Array]:
    x, r, gy, weight, bias, mean, var = (a.astype(np.float64) for a in arrays)
    leaves = [Tensor(a, requires_grad=True) for a in (x, r, weight, bias)]
    y = BatchNorm(EPS, None if training else (mean, var))(leaves[0], *leaves[2:])
    y = y + leaves[1] if adds else y
    y = ReLU()(y) if relu else y
    y.backward(Tensor(gy))
    gradients = [leaf.grad.numpy() if leaf.grad is not None else gy for leaf in leaves]
    return [y.detach().numpy(), *gradients]


def check(arrays: Arrays, training: bool, adds: bool, relu: bool) -> None:
    got, want = kernels(arrays, training, adds, relu), in_numpy(arrays, training, adds, relu)
    for name, a, b in zip(NAMES, got, want, strict=True):
        if name == "gr" and not (adds and relu):
            continue
        finite = np.abs(b[np.isfinite(b)])
        # a gradient that is a difference of sums is as exact as those, not as what is left
        scale = max(float(finite.max(initial=0)), 1.0)
        np.testing.assert_allclose(a, b, rtol=0, atol=FLOAT32 * scale, err_msg=name)


def draw_arrays(n: int, axes: list[int], offset: float = 0.0) -> Arrays:
    rng = np.random.default_rng(n)
    x, r, gy = rng.standard_normal((3, n, *axes)).astype(np.float32)
    weight, bias, mean, var = rng.uniform(0.5, 1.5, (4, axes[0])).astype(np.float32)
    return [x + np.float32(offset), r, gy, weight, bias, mean, var]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.sampled_from([15, 16, 17, 127]),
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_random_shapes(n: int, axes: list[int], flags: tuple[bool, bool, bool]) -> None:
    check(draw_arrays(n, axes), *flags)


def test_one_image() -> None:
    check(draw_arrays(1, [3, 5, 7]), True, True, True)


def test_mean_and_variance_of_numbers_far_from_zero() -> None:
    rng = np.random.default_rng(0)
    x = (1e4 + rng.standard_normal((127, 4, 9, 9))).astype(np.float32)
    mean, var = statistics(x)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(mean, wide.mean((0, 2, 3)), rtol=2**-23)
    np.testing.assert_allclose(var, wide.var((0, 2, 3)), rtol=FLOAT32)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", range(5))
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("adds", "relu"), [(False, False), (False, True), (True, True)])
def test_what_is_not_finite_comes_through(
    value: float, where: int, training: bool, adds: bool, relu: bool
) -> None:
    arrays = draw_arrays(17, [3, 2, 2])
    arrays[where].flat[1] = value
    check(arrays, training, adds, relu)


def test_statistics_of_infinity() -> None:
    x = draw_arrays(33, [2, 3])[0]
    x[5, 0, 1] = np.inf
    mean, var = statistics(x)
    assert mean[0] == np.inf
    assert np.isnan(var[0])
    assert np.isfinite([mean[1], var[1]]).all()


def test_same_bits_for_any_number_of_threads() -> None:
    arrays = draw_arrays(100, [5, 9, 9])
    results = []
    for threads in (1, 2, 4):
        set_num_threads(threads)
        results.append(kernels(arrays, True, True, True))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)
