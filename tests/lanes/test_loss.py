"""Losses in lanes against the NumPy ops."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import npnet
from npnet.base.arrays import Array
from npnet.kernels._jit import set_num_threads
from npnet.lanes.layout import Lanes
from npnet.ops.elementwise_loss import MeanSquaredError, mse_loss
from npnet.ops.loss import CrossEntropy, cross_entropy
from npnet.tape import Function
from tests.lanes import by_lanes

# Sums of a hundred exponentials, each some roundings off; gradients are relative to the largest.
FLOAT32 = 2e-6

batches = st.sampled_from([1, 15, 16, 17, 127])


def run(function: Function, *inputs: Array) -> tuple[Any, Lanes]:
    """The loss, and its gradient by the first input."""
    op, value = by_lanes.apply(function, *inputs)
    (gx,) = by_lanes.differentiate(op, np.ones((), np.float32))
    assert isinstance(gx, Lanes)
    return value, gx


def check(got: tuple[Any, Lanes], x: Array, target: Array, op: Any) -> None:
    logits = npnet.tensor(x, requires_grad=True)
    value = op(logits, npnet.as_tensor(target))
    value.backward()
    assert logits.grad is not None
    result, gx = got
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, value.detach().numpy(), rtol=FLOAT32, atol=FLOAT32)
    want = logits.grad.numpy()
    scale = np.abs(want[np.isfinite(want)]).max(initial=1e-30)
    np.testing.assert_allclose(gx.to_array(), want, atol=FLOAT32 * scale)
    beyond = np.moveaxis(gx.blocks, -1, 1).reshape(-1, *x.shape[1:])[len(x) :]
    np.testing.assert_array_equal(beyond, 0)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(batches, st.integers(1, 120), st.sampled_from([0.1, 1.0, 30.0, 1e6]))
def test_cross_entropy(n: int, classes: int, spread: float) -> None:
    rng = np.random.default_rng(classes)
    x = rng.normal(0, spread, (n, classes)).astype(np.float32)
    labels = rng.integers(0, classes, n)
    check(run(CrossEntropy(labels, 0.0), x), x, labels, cross_entropy)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    batches,
    st.integers(2, 120),  # of one class the gradient is nothing but roundings
    st.sampled_from([0.1, 1.0, 30.0, 1e6]),
    st.sampled_from([0.1, 0.5]),
)
def test_smoothed_cross_entropy(n: int, classes: int, spread: float, smoothing: float) -> None:
    rng = np.random.default_rng(classes)
    x = rng.normal(0, spread, (n, classes)).astype(np.float32)
    labels = rng.integers(0, classes, n)
    op = functools.partial(cross_entropy, label_smoothing=smoothing)
    check(run(CrossEntropy(labels, smoothing), x), x, labels, op)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_gradient_of_cross_entropy_is_the_slope(smoothing: float) -> None:
    rng = np.random.default_rng(0)
    x, direction = rng.standard_normal((2, 17, 10), np.float32)
    labels, step = rng.integers(0, 10, 17), np.float32(0.02)
    op = CrossEntropy(labels, smoothing)
    values = [run(op, x + h * direction)[0] for h in (-step, step)]
    _, gx = run(op, x)
    slope = (values[1] - values[0]) / (2 * step)
    # the difference is off by its third derivative, e^2 / 6, and by 1e-7 / e of rounding
    np.testing.assert_allclose(np.vdot(gx.to_array(), direction), slope, rtol=1e-3)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(batches, st.lists(st.integers(1, 6), min_size=1, max_size=3))
def test_mse_loss(n: int, axes: list[int]) -> None:
    rng = np.random.default_rng(n)
    x, t = rng.standard_normal((2, n, *axes), np.float32)
    check(run(MeanSquaredError(), x, t), x, t, mse_loss)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_what_is_not_finite_comes_through_cross_entropy_and_mse_loss(
    value: float, whole: bool, smoothing: float
) -> None:
    op = functools.partial(cross_entropy, label_smoothing=smoothing)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((17, 10), np.float32)
    labels = rng.integers(0, 10, 17)
    x[3, slice(None) if whole else (labels[3] + 1) % 10] = value
    check(run(CrossEntropy(labels, smoothing), x), x, labels, op)
    x[3, labels[3]] = value
    check(run(CrossEntropy(labels, smoothing), x), x, labels, op)
    t = rng.standard_normal((17, 10), np.float32)
    check(run(MeanSquaredError(), x, t), x, t, mse_loss)


def test_cross_entropy_and_mse_loss_have_the_same_bits_for_any_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((2, 500, 10), np.float32)
    labels = rng.integers(0, 10, 500)
    results = []
    for threads in (1, 2, 4):
        set_num_threads(threads)
        found = run(CrossEntropy(labels, 0.1), x), run(MeanSquaredError(), x, t)
        results.append([a for value, gx in found for a in (value, gx.blocks)])
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)
