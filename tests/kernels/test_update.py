"""Update kernels against the rules of the optimizers in NumPy: the same bits."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import optim
from npnet.kernels import update
from npnet.optim._compiled import kernels_for
from tests.kernels import oracle

SIZES = (1, 7, 64, 70_001)
STEPS = 4
BOTH = (False, True)


def products(**values: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [
        dict(zip(values, choice, strict=True)) for choice in itertools.product(*values.values())
    ]


GROUPS: dict[str, list[dict[str, Any]]] = {
    "SGD": [
        *products(momentum=(0, 0.9), dampening=(0, 0.3), weight_decay=(0, 1e-2)),
        *products(momentum=(0.9,), weight_decay=(0, 1e-2), nesterov=(True,), maximize=BOTH),
    ],
    "Adam": products(
        weight_decay=(0, 0.1), amsgrad=BOTH, decoupled_weight_decay=BOTH, betas=((0.9, 0.99),)
    ),
    "AdamW": products(amsgrad=BOTH, maximize=BOTH),
    "NAdam": products(weight_decay=(0, 0.1), decoupled_weight_decay=BOTH, maximize=BOTH),
    "RMSprop": products(weight_decay=(0, 0.1), momentum=(0, 0.9), centered=BOTH),
    "Adadelta": products(weight_decay=(0, 0.1), rho=(0.5, 0.9), maximize=BOTH),
    "Adagrad": products(weight_decay=(0, 0.1), lr_decay=(0, 0.1), maximize=BOTH),
    "Adamax": products(weight_decay=(0, 0.1), betas=((0.9, 0.99),), maximize=BOTH),
    "RAdam": products(
        weight_decay=(0, 0.1), decoupled_weight_decay=BOTH, betas=((0.9, 0.99), (0.5, 0.7))
    ),
}
CASES = [(rule, options) for rule, groups in GROUPS.items() for options in groups]
NAMES = [f"{rule}-{'-'.join(f'{k}={v}' for k, v in options.items())}" for rule, options in CASES]


def draw_arrays(size: int) -> tuple[oracle.Array, list[oracle.Array]]:
    rng = np.random.default_rng(size)
    p = rng.standard_normal(size, np.float32)
    return p, list(rng.standard_normal((STEPS, size), np.float32))


def train(
    backend: str, rule: str, options: dict[str, Any], start: oracle.Array, gradients: Any
) -> list[oracle.Array]:
    """The parameter and the arrays of its state after the steps, all by kernels or none."""
    npnet.set_backend(backend)
    p = npnet.tensor(start.copy(), requires_grad=True)
    assert (kernels_for(p.array) is update) == (backend == "numba")
    optimizer = getattr(optim, rule)([p], lr=1e-2, **options)
    for g in gradients:
        p.grad = npnet.as_tensor(g.copy())
        optimizer.step()
        np.testing.assert_array_equal(p.grad.array, g, err_msg="a gradient was written to")
    state = optimizer.state[p]
    return [p.array, *(state[name] for name in optimizer.arrays if name in state)]


def check_equal(ours: list[oracle.Array], theirs: list[oracle.Array]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("rule", "options"), CASES, ids=NAMES)
def test_same_bits_as_numpy(rule: str, options: dict[str, Any], size: int) -> None:
    p, gradients = draw_arrays(size)
    by_kernels, by_numpy = (
        train(backend, rule, options, p, gradients) for backend in ("numba", "numpy")
    )
    check_equal(by_kernels, by_numpy)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("rule", "options"), CASES, ids=NAMES)
def test_what_is_not_finite_comes_through(rule: str, options: dict[str, Any], value: float) -> None:
    p, gradients = draw_arrays(7)
    gradients[1][3] = p[5] = value
    by_kernels, by_numpy = (
        train(backend, rule, options, p, gradients) for backend in ("numba", "numpy")
    )
    check_equal(by_kernels, by_numpy)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("value", [1.0, np.nan, np.inf])
def test_lerp_has_the_bits_of_numpy(size: int, value: float) -> None:
    a, (p, *_) = draw_arrays(size)
    p[-1] = value
    with np.errstate(all="ignore"):
        expected = a + 0.3 * (p - a)
    for threads in (1, 2):
        npnet.set_num_threads(threads)
        average = a.copy()
        update.lerp(average, p, 0.3)
        np.testing.assert_array_equal(average, expected)


@pytest.mark.parametrize("shape", [(), (2, 3, 5, 5)])
@pytest.mark.parametrize("rule", GROUPS)
def test_any_shape(rule: str, shape: tuple[int, ...]) -> None:
    p, gradients = draw_arrays(int(np.prod(shape)))
    flat = train("numba", rule, {}, p, gradients)
    shaped = train("numba", rule, {}, p.reshape(shape), [g.reshape(shape) for g in gradients])
    check_equal([a.ravel() for a in shaped], flat)


@pytest.mark.parametrize(
    "array",
    [np.ones((4, 4)), np.ones((4, 4), np.float32)[:, ::2], np.ones((4, 3), np.float32).T],
    ids=["float64", "strided", "column-major"],
)
@pytest.mark.usefixtures("numba")
def test_other_arrays_are_numpys(array: oracle.Array) -> None:
    assert kernels_for(np.ones((4, 4), np.float32)) is update
    assert kernels_for(np.ones((4, 4), np.float32), array) is None


def test_memory_that_may_not_be_written_is_refused() -> None:
    p = npnet.tensor(np.ones(3, np.float32), requires_grad=True)
    p.grad = npnet.ones(3)
    p.array.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        optim.SGD([p]).step()


@pytest.mark.parametrize("rule", GROUPS)
def test_state_goes_on_in_the_other_backend(rule: str) -> None:
    start, gradients = draw_arrays(40)
    p = npnet.tensor(start.copy(), requires_grad=True)
    optimizer = getattr(optim, rule)([p], lr=1e-2)
    for i, g in enumerate(gradients):
        npnet.set_backend(("numba", "numpy")[i % 2])
        p.grad = npnet.as_tensor(g)
        optimizer.step()
    np.testing.assert_array_equal(p.array, train("numpy", rule, {}, start, gradients)[0])


def test_momentum_without_gradient_decays_to_zero() -> None:
    p, g, v = (np.full(9, value, np.float32) for value in (1, 0, 1e-37))
    for _ in range(30):
        update.sgd(p, g, v, 0.1, 0.9)
    np.testing.assert_array_equal(v, 0)


@pytest.mark.parametrize("rule", GROUPS)
def test_same_bits_for_any_number_of_threads(rule: str) -> None:
    p, gradients = draw_arrays(300_003)
    results = []
    for threads in (1, 2, 4):
        npnet.set_num_threads(threads)
        results.append(train("numba", rule, GROUPS[rule][-1], p, gradients))
    for other in results[1:]:
        check_equal(results[0], other)
