"""Every rule with every option against PyTorch's."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import npnet
from npnet import optim
from tests.optim.twins import EPS32, FLOAT64, Twins, torch_in_float64

STEPS = 50

# Each step rounds a parameter of order 1 once, to half an EPS32, and its change, which is at most
# of order lr, by a few more.
FLOAT32 = {"rtol": STEPS * EPS32, "atol": STEPS * EPS32}


def products(rule: str, **values: tuple[Any, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    for choice in itertools.product(*values.values()):
        yield rule, dict(zip(values, choice, strict=True))


BOTH = (False, True)
DECAY = (0, 0.1)
CASES = [
    *products(
        "SGD", momentum=(0, 0.9), dampening=(0, 0.3), weight_decay=DECAY, maximize=BOTH, lr=(0.05,)
    ),
    *products("SGD", momentum=(0.9,), nesterov=(True,), weight_decay=DECAY, maximize=BOTH),
    *products(
        "Adam",
        weight_decay=DECAY,
        amsgrad=BOTH,
        maximize=BOTH,
        decoupled_weight_decay=BOTH,
        lr=(0.01,),
    ),
    *products("Adam", betas=((0.0, 0.9), (0.5, 0.99)), eps=(1e-3, 1e-8), lr=(0.01,)),
    *products("AdamW", weight_decay=(0, 0.01, 0.3), amsgrad=BOTH, maximize=BOTH),
    *products("AdamW", betas=((0.5, 0.9),), eps=(1e-4,), lr=(0.02,)),
    *products(
        "NAdam",
        weight_decay=DECAY,
        momentum_decay=(0, 4e-3, 0.2),
        decoupled_weight_decay=BOTH,
        maximize=BOTH,
    ),
    *products("NAdam", betas=((0.5, 0.9),), eps=(1e-4,), lr=(0.02,)),
    *products(
        "RMSprop",
        momentum=(0, 0.9),
        centered=BOTH,
        weight_decay=DECAY,
        maximize=BOTH,
        lr=(0.01,),
    ),
    *products("RMSprop", alpha=(0.0, 0.5), eps=(1e-4,), momentum=(0, 0.5)),
    *products("Adadelta", rho=(0.5, 0.9), weight_decay=DECAY, maximize=BOTH, lr=(1.0, 0.1)),
    *products("Adadelta", eps=(1e-3,)),
    *products(
        "Adagrad",
        lr_decay=(0, 0.1),
        weight_decay=DECAY,
        initial_accumulator_value=(0, 0.5),
        maximize=BOTH,
    ),
    *products("Adamax", weight_decay=DECAY, maximize=BOTH, betas=((0.9, 0.999), (0.5, 0.9))),
    *products(
        "RAdam",
        weight_decay=DECAY,
        decoupled_weight_decay=BOTH,
        maximize=BOTH,
        betas=((0.9, 0.999), (0.5, 0.7)),
    ),
    *products("ASGD", lambd=(1e-4, 0.1), weight_decay=DECAY, maximize=BOTH, t0=(1e6, 5)),
    *products("Rprop", maximize=BOTH, etas=((0.5, 1.2), (0.3, 1.5)), step_sizes=((1e-3, 0.02),)),
    *((rule, {}) for rule in ("SGD", "Adam", "AdamW", "NAdam", "RMSprop")),
    *((rule, {}) for rule in ("Adadelta", "Adagrad", "Adamax", "RAdam", "ASGD", "Rprop")),
]
NAMES = [f"{rule}-{'-'.join(f'{k}={v}' for k, v in options.items())}" for rule, options in CASES]


@pytest.mark.parametrize(("rule", "options"), CASES, ids=NAMES)
def test_matches_torch_in_float64(rule: str, options: dict[str, Any]) -> None:
    with torch_in_float64():
        twins = Twins(lambda ns, params: getattr(ns, rule)(params, **options))
        for _ in range(STEPS):
            twins.step()
            twins.check(**FLOAT64)
        twins.check_state()
        assert repr(twins.optimizer) == repr(twins.reference)


@pytest.mark.parametrize(("rule", "options"), CASES, ids=NAMES)
def test_matches_torch_in_float32(rule: str, options: dict[str, Any]) -> None:
    twins = Twins(lambda ns, params: getattr(ns, rule)(params, **options), "float32")
    for _ in range(STEPS):
        twins.step()
    twins.check(**FLOAT32)
    for state in twins.optimizer.state.values():
        assert all(v.dtype == np.float32 for v in state.values() if isinstance(v, np.ndarray))


GROUPS = {
    "SGD": ({"lr": 0.1, "momentum": 0.5}, {"weight_decay": 0.2, "nesterov": True}),
    "Adam": ({"lr": 0.1, "amsgrad": True}, {"betas": (0.5, 0.9), "weight_decay": 0.2}),
    "AdamW": ({"lr": 0.1, "amsgrad": True}, {"betas": (0.5, 0.9), "weight_decay": 0}),
    "NAdam": ({"lr": 0.1, "momentum_decay": 0.1}, {"weight_decay": 0.2}),
    "RMSprop": ({"lr": 0.1, "centered": True}, {"momentum": 0.5, "alpha": 0.9}),
    "Adadelta": ({"lr": 0.1, "rho": 0.5}, {"eps": 1e-3, "weight_decay": 0.2}),
    "Adagrad": ({"lr": 0.1, "lr_decay": 0.1}, {"eps": 1e-3, "weight_decay": 0.2}),
    "Adamax": ({"lr": 0.1, "betas": (0.5, 0.9)}, {"eps": 1e-3, "weight_decay": 0.2}),
    "RAdam": ({"lr": 0.1, "betas": (0.5, 0.9)}, {"eps": 1e-3, "weight_decay": 0.2}),
    "ASGD": ({"lr": 0.1, "lambd": 0.1}, {"t0": 3, "weight_decay": 0.2}),
}


@pytest.mark.parametrize("rule", GROUPS)
def test_groups_schedules_and_missing_gradients(rule: str) -> None:
    first, second = GROUPS[rule]
    common = {"momentum": 0.9} if rule == "SGD" else {}

    def make(ns: Any, params: list[Any]) -> Any:
        groups = [{"params": params[:1], **first}, {"params": params[1], **second}]
        optimizer = getattr(ns, rule)(groups, lr=0.02, **common)
        optimizer.add_param_group({"params": params[2:], "lr": 0.03})
        return optimizer

    with torch_in_float64():
        twins = Twins(make)
        schedules = [
            ns.lr_scheduler.CosineAnnealingLR(optimizer, 20)
            for ns, optimizer in ((optim, twins.optimizer), (torch.optim, twins.reference))
        ]
        for i in range(STEPS):
            twins.step(without_gradient=(None, 0, 1, None, 2)[i % 5])
            for schedule in schedules:
                schedule.step()
        twins.check(**FLOAT64)
        twins.check_state()


@pytest.mark.parametrize("switched_on", [("Adam", "amsgrad"), ("RMSprop", "momentum")])
def test_an_option_may_be_switched_on_later(switched_on: tuple[str, str]) -> None:
    rule, option = switched_on
    p = npnet.tensor(np.ones(3), requires_grad=True)
    optimizer = getattr(optim, rule)([p])
    for value in (0, 0.5):
        optimizer.param_groups[0][option] = value
        p.grad = npnet.as_tensor(np.ones(3))
        optimizer.step()
    assert np.isfinite(p.array).all()


def test_closure_and_real_gradients() -> None:
    target = np.array([1.0, -2.0, 3.0])
    ours, theirs = (
        npnet.tensor(np.zeros(3), requires_grad=True),
        torch.zeros(3, dtype=torch.float64),
    )
    theirs.requires_grad_()
    optimizer = optim.SGD([ours], lr=0.05, momentum=0.9)
    reference = torch.optim.SGD([theirs], lr=0.05, momentum=0.9)

    def closure(optimizer: Any, p: Any, goal: Any) -> Any:
        optimizer.zero_grad()
        loss = ((p - goal) * (p - goal)).sum()
        loss.backward()
        return loss

    for _ in range(STEPS):
        a = optimizer.step(lambda: closure(optimizer, ours, npnet.as_tensor(target)))
        b = reference.step(lambda: closure(reference, theirs, torch.tensor(target)))
        np.testing.assert_allclose(a.item(), b.item(), **FLOAT64)
    np.testing.assert_allclose(ours.array, theirs.detach().numpy(), **FLOAT64)


@pytest.mark.parametrize("rule", GROUPS)
def test_numpy_scalars_do_not_promote(rule: str) -> None:
    results = []
    for kind in (float, np.float64):
        p = npnet.tensor(np.linspace(-1, 1, 7, dtype=np.float32), requires_grad=True)
        optimizer = getattr(optim, rule)([p], lr=kind(0.1), weight_decay=kind(0.3))
        for _ in range(3):
            p.grad = npnet.as_tensor(np.linspace(0.1, 1, 7, dtype=np.float32))
            optimizer.step()
            optimizer.param_groups[0]["lr"] = kind(0.07)
        results.append(p.array)
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("rule", GROUPS)
def test_strided_parameters_are_trained_in_place(rule: str) -> None:
    memory = np.ones((6, 4))
    strided, dense = memory.T[1:, ::2], np.ones((3, 3))
    gradient = np.arange(9.0).reshape(3, 3)
    for array in (strided, dense):
        p = npnet.from_numpy(array).requires_grad_()
        optimizer = getattr(optim, rule)([p], lr=0.1)
        for _ in range(3):
            p.grad = npnet.as_tensor(gradient)
            optimizer.step()
        assert p.array is array
    np.testing.assert_array_equal(strided, dense)
    np.testing.assert_array_equal(memory[1::2], 1)


@pytest.mark.parametrize("rule", GROUPS)
def test_nan_and_infinity_come_through_in_silence(rule: str) -> None:
    p = npnet.tensor(np.zeros(3, np.float32), requires_grad=True)
    optimizer = getattr(optim, rule)([p])
    for _ in range(2):
        p.grad = npnet.as_tensor(np.array([np.nan, np.inf, 1e30], np.float32))
        optimizer.step()
    assert np.isnan(p.array[0])


def test_backward_through_values_from_before_the_step_is_an_error() -> None:
    p = npnet.tensor(np.ones(2), requires_grad=True)
    optimizer = optim.SGD([p])
    y = (p * p).sum()
    p.grad = npnet.as_tensor(np.ones(2))
    optimizer.step()
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_zero_grad() -> None:
    p, q = (npnet.tensor(np.ones(2), requires_grad=True) for _ in range(2))
    optimizer = optim.SGD([p, q])
    p.grad = npnet.as_tensor(np.ones(2))
    optimizer.zero_grad(set_to_none=False)
    np.testing.assert_array_equal(p.grad.array, 0)
    assert q.grad is None
    optimizer.zero_grad()
    assert p.grad is None


def test_a_rule_of_ones_own() -> None:
    class SignDescent(optim.Optimizer):
        def __init__(self, params: Any, lr: float) -> None:
            super().__init__(params, {"lr": lr})

        def update(self, p: Any, g: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
            p -= group["lr"] * np.sign(g)

    p = npnet.tensor(np.ones(2), requires_grad=True)
    p.grad = npnet.as_tensor(np.array([3.0, -0.1]))
    SignDescent([p], lr=0.5).step()
    np.testing.assert_array_equal(p.array, [0.5, 1.5])
