"""Update kernels against the optimizers in NumPy: the same bits."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from npnet.kernels import update
from npnet.kernels._jit import set_num_threads
from npnet.optim.adam import Adam
from npnet.optim.sgd import SGD
from tests.kernels import oracle

SIZES = (1, 7, 64, 70_001)
STEPS = 4


def draw_arrays(size: int) -> tuple[oracle.Array, list[oracle.Array]]:
    rng = np.random.default_rng(size)
    p = rng.standard_normal(size, np.float32)
    return p, list(rng.standard_normal((STEPS, size), np.float32))


def by_sgd(p: oracle.Array, gradients: list[oracle.Array], group: dict[str, Any]) -> oracle.Array:
    p, v = p.copy(), np.zeros_like(p) if group["momentum"] else None
    for i, g in enumerate(gradients):
        dampening = group["dampening"] if i else 0.0
        options = {k: group[k] for k in ("lr", "momentum", "weight_decay", "nesterov")}
        update.sgd(p, g, v, dampening=dampening, **options)
    return p


def by_adam(p: oracle.Array, gradients: list[oracle.Array], group: dict[str, Any]) -> oracle.Array:
    p, m, v = p.copy(), np.zeros_like(p), np.zeros_like(p)
    largest = np.zeros_like(p) if group["amsgrad"] else None
    options = {k: group[k] for k in ("lr", "betas", "eps", "weight_decay")}
    for i, g in enumerate(gradients):
        decoupled = group["decoupled_weight_decay"]
        update.adam(p, g, m, v, largest, i + 1, **options, decoupled=decoupled)
    return p


def in_numpy(
    optimizer: Any, p: oracle.Array, gradients: list[oracle.Array], group: dict[str, Any]
) -> oracle.Array:
    p, state = p.copy(), {}
    if optimizer is Adam:
        names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
        state = {"step": 0, **{name: np.zeros_like(p) for name in names}}
    with np.errstate(all="ignore"):
        for g in gradients:
            optimizer.update(None, p, g, state, group)
    return p


SGD_GROUPS = [
    {"lr": 0.1, "momentum": m, "dampening": d, "weight_decay": w, "nesterov": n}
    for m, d, w, n in itertools.product((0, 0.9), (0, 0.3), (0, 1e-2), (False, True))
    if not n or (m and not d)
]
ADAM_GROUPS: list[dict[str, Any]] = [
    {"lr": 1e-2, "betas": (0.9, 0.99), "eps": 1e-8} | options
    for options in (
        {"weight_decay": w, "amsgrad": a, "decoupled_weight_decay": d}
        for w, a, d in itertools.product((0, 0.1), (False, True), (False, True))
    )
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("group", SGD_GROUPS)
def test_sgd(size: int, group: dict[str, Any]) -> None:
    p, gradients = draw_arrays(size)
    np.testing.assert_array_equal(by_sgd(p, gradients, group), in_numpy(SGD, p, gradients, group))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("group", ADAM_GROUPS)
def test_adam(size: int, group: dict[str, Any]) -> None:
    p, gradients = draw_arrays(size)
    np.testing.assert_array_equal(by_adam(p, gradients, group), in_numpy(Adam, p, gradients, group))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_comes_through(value: float) -> None:
    p, gradients = draw_arrays(7)
    gradients[1][3] = p[5] = value
    for group in SGD_GROUPS:
        want = in_numpy(SGD, p, gradients, group)
        np.testing.assert_array_equal(by_sgd(p, gradients, group), want)
    for group in ADAM_GROUPS:
        want = in_numpy(Adam, p, gradients, group)
        np.testing.assert_array_equal(by_adam(p, gradients, group), want)


def test_momentum_without_gradient_decays_to_zero() -> None:
    p, g, v = (np.full(9, value, np.float32) for value in (1, 0, 1e-37))
    for _ in range(30):
        update.sgd(p, g, v, 0.1, 0.9)
    np.testing.assert_array_equal(v, 0)


def test_same_bits_for_any_number_of_threads() -> None:
    p, gradients = draw_arrays(300_003)
    results = []
    for threads in (1, 2, 4):
        set_num_threads(threads)
        groups = SGD_GROUPS[-1], ADAM_GROUPS[-1]
        results.append((by_sgd(p, gradients, groups[0]), by_adam(p, gradients, groups[1])))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)
