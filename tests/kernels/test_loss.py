"""Loss kernels against the NumPy ops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npnet.kernels import lanes, loss
from npnet.kernels._jit import set_num_threads
from npnet.ops.elementwise_loss import mse_loss
from npnet.ops.loss import cross_entropy
from npnet.tensor import Tensor
from tests.kernels import oracle

# Sums of a hundred exponentials, each some roundings off; gradients are relative to the largest.
FLOAT32 = 2e-6

batches = st.sampled_from([1, 15, 16, 17, 127])


def check(
    got: tuple[np.float32, oracle.Array], x: oracle.Array, target: oracle.Array, op: object
) -> None:
    logits = Tensor(x, requires_grad=True)
    value = op(logits, Tensor(target))  # type: ignore[operator]
    value.backward()
    assert logits.grad is not None
    result, gx = got
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, value.detach().numpy(), rtol=FLOAT32, atol=FLOAT32)
    want = logits.grad.numpy()
    scale = np.abs(want[np.isfinite(want)]).max(initial=1e-30)
    np.testing.assert_allclose(lanes.from_lanes(gx, len(x)), want, atol=FLOAT32 * scale)
    beyond = np.moveaxis(gx, -1, 1).reshape(-1, *x.shape[1:])[len(x) :]
    np.testing.assert_array_equal(beyond, 0)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(batches, st.integers(1, 120), st.sampled_from([0.1, 1.0, 30.0, 1e6]))
def test_cross_entropy(n: int, classes: int, spread: float) -> None:
    rng = np.random.default_rng(classes)
    x = rng.normal(0, spread, (n, classes)).astype(np.float32)
    labels = rng.integers(0, classes, n)
    check(loss.cross_entropy(oracle.spoiled(x), labels), x, labels, cross_entropy)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(batches, st.lists(st.integers(1, 6), min_size=1, max_size=3))
def test_mse(n: int, axes: list[int]) -> None:
    rng = np.random.default_rng(n)
    x, t = rng.standard_normal((2, n, *axes), np.float32)
    check(loss.mse_loss(oracle.spoiled(x), oracle.spoiled(t), n), x, t, mse_loss)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("whole", [False, True])
def test_what_is_not_finite_comes_through(value: float, whole: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((17, 10), np.float32)
    labels = rng.integers(0, 10, 17)
    x[3, slice(None) if whole else (labels[3] + 1) % 10] = value
    check(loss.cross_entropy(oracle.spoiled(x), labels), x, labels, cross_entropy)
    x[3, labels[3]] = value
    check(loss.cross_entropy(oracle.spoiled(x), labels), x, labels, cross_entropy)
    t = rng.standard_normal((17, 10), np.float32)
    check(loss.mse_loss(oracle.spoiled(x), oracle.spoiled(t), 17), x, t, mse_loss)


def test_same_bits_for_any_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    x, labels = lanes.to_lanes(rng.standard_normal((500, 10), np.float32)), rng.integers(0, 10, 500)
    results = []
    for threads in (1, 2, 4):
        set_num_threads(threads)
        results.append((*loss.cross_entropy(x, labels), *loss.mse_loss(x, x[::-1].copy(), 500)))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)
