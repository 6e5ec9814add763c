"""Kernels of norms against the NumPy ops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import npnet
from npnet.kernels import group_norm, lanes, norm
from npnet.kernels._jit import set_num_threads
from npnet.lanes import norm as by_lanes
from npnet.lanes.function import LaneFunction
from npnet.lanes.fusion import masked
from npnet.lanes.layout import Lanes
from npnet.ops.activation import ReLU
from npnet.ops.norm import BatchNorm, GroupNorm, LayerNorm
from npnet.tape import result
from npnet.tensor import Tensor
from tests.kernels import faults, oracle
from tests.kernels.guarded import Guard

EPS = 1e-5
# Sums of some thousand float32 numbers against float64, relative to the largest result.
FLOAT32 = 1e-5
NAMES = ("y", "gx", "gr", "gweight", "gbias")

Arrays = list[oracle.Array]


def applied(function: LaneFunction, x: oracle.Array, *weights: oracle.Array) -> Any:
    """What an op gives of images with NaN where there is none."""
    leaf = result(Lanes(oracle.spoiled(x), len(x))).requires_grad_(True)
    return function.applied((leaf, *map(Tensor, weights))).values


def kernels(arrays: Arrays, training: bool, adds: bool, relu: bool) -> tuple[oracle.Array, ...]:
    x, r, gy, weight, bias, mean, var = arrays
    n = len(x)
    r, gy = (oracle.spoiled(a) for a in (r, gy))
    function = by_lanes.BatchNorm(BatchNorm(EPS, None if training else (mean, var)))
    waits = applied(function, x, weight, bias)
    if adds:
        waits = waits.with_residual(Lanes(r, n))
    y = waits.pending.compute(n, relu=relu)
    g, constants = Lanes(gy, n), None if adds else function.constants
    if relu:
        g = masked(g, y, constants)
    gx, gweight, gbias = function.differentiate(g)
    gr = g.blocks if adds and relu else gy
    return (*(lanes.from_lanes(a, n) for a in (y, gx.blocks, gr)), gweight, gbias)


def statistics(x: oracle.Array) -> tuple[oracle.Array, oracle.Array]:
    one, op = np.ones(x.shape[1], np.float32), BatchNorm(EPS, None)
    applied(by_lanes.BatchNorm(op), x, one, one)
    return op.mean, op.var


def in_numpy(arrays: Arrays, training: bool, adds: bool, relu: bool) -> list[oracle.Array]:
    x, r, gy, weight, bias, mean, var = (a.astype(np.float64) for a in arrays)
    leaves = [npnet.tensor(a, requires_grad=True) for a in (x, r, weight, bias)]
    y = BatchNorm(EPS, None if training else (mean, var))(leaves[0], *leaves[2:])
    y = y + leaves[1] if adds else y
    y = ReLU()(y) if relu else y
    y.backward(npnet.as_tensor(gy))
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


# ---- of each image by itself -------------------------------------------------------------------


def check_groups(make: Callable[[], GroupNorm], arrays: Arrays) -> None:
    """A norm by kernels, with NaN where there is no image, as in NumPy."""
    *inputs, gy = (a.astype(np.float64) for a in arrays)
    got, want = by_kernels(make(), arrays), oracle.apply(make(), *inputs, gy=gy)
    for name, a, b in zip(("y", "gx", "gweight", "gbias")[: len(got)], got, want, strict=True):
        assert a.dtype == np.float32
        scale = max(float(np.abs(b[np.isfinite(b)]).max(initial=0)), 1.0)  # as above
        np.testing.assert_allclose(a, b, rtol=0, atol=FLOAT32 * scale, err_msg=name)


def by_kernels(op: GroupNorm, arrays: Arrays) -> tuple[oracle.Array, ...]:
    x, *weights, gy = arrays
    n, function = len(x), by_lanes.GroupNorm(op)
    y = applied(function, x, *weights)
    with np.errstate(all="ignore"):  # as in the tape's backward
        gx, *gradients = function.differentiate(Lanes(oracle.spoiled(gy), n))
    return (*(lanes.from_lanes(a.blocks, n) for a in (y, gx)), *gradients)


def draw_groups(n: int, axes: Sequence[int], weights: Sequence[int]) -> Arrays:
    rng = np.random.default_rng(n)
    x, gy = rng.standard_normal((2, n, *axes)).astype(np.float32)
    weight, bias = rng.uniform(-1.5, 1.5, (2, *weights)).astype(np.float32)
    return [x, weight, bias, gy]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.sampled_from([1, 15, 16, 17, 127]),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.sampled_from([[], [9, 5], [1, 7]]),
)
def test_group_norm_of_random_shapes(n: int, sizes: tuple[int, int], pixels: list[int]) -> None:
    groups, channels = sizes[0], sizes[0] * sizes[1]
    arrays = draw_groups(n, [channels, *pixels], [channels])
    check_groups(lambda: GroupNorm(groups, EPS), arrays)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.sampled_from([1, 15, 16, 17, 127]),
    st.lists(st.integers(2, 9), min_size=3, max_size=3),
    st.sampled_from([1, 2, 3]),
)
def test_layer_norm_of_random_shapes(n: int, axes: list[int], count: int) -> None:
    check_groups(lambda: LayerNorm(count, EPS), draw_groups(n, axes, axes[-count:]))


@pytest.mark.parametrize("weights", [0, 1], ids=["plain", "weight"])
@pytest.mark.parametrize("make", [lambda: GroupNorm(2, EPS), lambda: LayerNorm(3, EPS)])
def test_groups_without_weights_or_bias(make: Callable[[], GroupNorm], weights: int) -> None:
    x, weight, _, gy = draw_groups(33, [4, 3, 5], [4] if type(make()) is GroupNorm else [4, 3, 5])
    check_groups(make, [x, *[weight][:weights], gy])


@pytest.mark.parametrize("features", [2, 300, 5000])
def test_layer_norm_of_features(features: int) -> None:
    check_groups(lambda: LayerNorm(1, EPS), draw_groups(33, [features], [features]))


@pytest.mark.parametrize("pixels", [(64, 65), (300, 301)])
def test_group_norm_of_many_pixels(pixels: tuple[int, int]) -> None:
    arrays = draw_groups(2, [2, *pixels], [2])
    arrays[0] += np.float32(100)
    check_groups(lambda: GroupNorm(1, EPS), arrays)


@pytest.mark.parametrize("make", [lambda: GroupNorm(2, EPS), lambda: LayerNorm(3, EPS)])
def test_numbers_far_from_zero_are_normalised(make: Callable[[], GroupNorm]) -> None:
    weights = [4] if type(make()) is GroupNorm else [4, 9, 9]
    arrays = draw_groups(17, [4, 9, 9], weights)
    arrays[0] += np.float32(1e4)
    check_groups(make, arrays)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", range(4))
@pytest.mark.parametrize("make", [lambda: GroupNorm(2, EPS), lambda: LayerNorm(3, EPS)])
def test_what_is_not_finite_comes_through_groups(
    make: Callable[[], GroupNorm], where: int, value: float
) -> None:
    arrays = draw_groups(17, [4, 2, 2], [4] if type(make()) is GroupNorm else [4, 2, 2])
    arrays[where].flat[1] = value
    check_groups(make, arrays)


@pytest.mark.parametrize("make", [lambda: GroupNorm(5, EPS), lambda: LayerNorm(1, EPS)])
def test_groups_have_the_same_bits_for_any_number_of_threads(
    make: Callable[[], GroupNorm],
) -> None:
    arrays = draw_groups(100, [10, 9, 9], [10] if type(make()) is GroupNorm else [9])
    results = []
    for threads in (1, 2, 4):
        set_num_threads(threads)
        results.append(by_kernels(make(), arrays))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_a_norm_over_the_batch_is_left_to_numpy() -> None:
    x = npnet.as_tensor(np.zeros((17, 3), np.float32))
    assert by_lanes.GroupNorm.takes(LayerNorm(1, EPS), x)
    assert not by_lanes.GroupNorm.takes(LayerNorm(2, EPS), x)
    assert not by_lanes.GroupNorm.takes(LayerNorm(1, EPS), x[:, :0])


# ---- what their kernels refuse -----------------------------------------------------------------


def call_of(name: str) -> tuple[Any, tuple[Any, ...]]:
    """A task with arguments that fit."""
    x, y, gy = (lanes.zeros((2, 3, 4, 16)) for _ in range(3))
    mean, var, constants, totals = (lanes.zeros(s) for s in ((3,), (3,), (4, 3), (2, 3)))
    weight, bias, gw, gb = (lanes.zeros(s) for s in ((3, 2), (3, 2), (2, 3, 2), (2, 3, 2)))
    statistics, plan = lanes.zeros((2, 3, 3, 16)), norm.Backward(17, True, True, True)
    calls = {
        "statistics": (norm.statistics_of_channel, (x, 17, mean, var)),
        "normalise": (norm.normalise_plane, (x, gy, constants, True, True, y)),
        "backward": (
            norm.backward_channel,
            (gy, x, y, plan, constants, totals, y.copy(), y.copy()),
        ),
        "normalise_group": (
            group_norm.normalise_group,
            (x, np.float32(EPS), weight, bias, statistics, y),
        ),
        "backward_group": (
            group_norm.backward_group,
            (gy, x, weight, statistics, 17, gw, gb, y),
        ),
    }
    return calls[name]


CALLS = ("statistics", "normalise", "backward", "normalise_group", "backward_group")


@pytest.mark.parametrize("name", CALLS)
def test_one_wrong_array_is_refused(name: str) -> None:
    guard = Guard()
    task, arguments = call_of(name)
    copies = [guard.like(a) if isinstance(a, np.ndarray) else a for a in arguments]
    task(*copies)
    guard.check()
    for i, argument in enumerate(copies):
        if not isinstance(argument, np.ndarray):
            continue
        for kind, what, _, wrong in faults.of(argument, guard):
            bad = (*copies[:i], wrong, *copies[i + 1 :])
            if what != faults.OFF:
                try:
                    task(*bad)
                except (ValueError, TypeError):
                    continue
                assert kind == faults.SHAPE, f"{name} took argument {i}: {what}"
            task(*bad)  # it says that this fits
            guard.check()


def with_images(argument: Any, n: Any) -> Any:
    if isinstance(argument, norm.Backward):
        return argument._replace(n=n)
    return n if isinstance(argument, int) else argument


@pytest.mark.parametrize("n", [0, 16, 33, -1, 2**62, 17.0, None])
@pytest.mark.parametrize("name", ["statistics", "backward", "backward_group"])
def test_images_that_fill_other_blocks_are_refused(name: str, n: Any) -> None:
    task, arguments = call_of(name)
    with pytest.raises((ValueError, TypeError), match="n must"):
        task(*[with_images(a, n) for a in arguments])


@pytest.mark.parametrize("rows", [2, 4])
def test_weights_of_other_groups_are_refused(rows: int) -> None:
    task, (x, eps, *_, statistics, y) = call_of("normalise_group")
    weight, bias = (np.ones((rows, 2), np.float32) for _ in range(2))
    with pytest.raises(ValueError, match=f"weight must have rows for 3 groups, got {rows}"):
        task(x, eps, weight, bias, statistics, y)
    weight, bias = (np.ones((3, 3), np.float32) for _ in range(2))
    with pytest.raises(ValueError, match="weight must have columns for 4 values, got 3"):
        task(x, eps, weight, bias, statistics, y)
