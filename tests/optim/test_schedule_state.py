"""Resuming and misuse of schedules."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

import npnet
from npnet import optim
from npnet.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)


class Halving:
    """A factor with a state."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, epoch: int) -> float:
        self.calls += 1
        return 0.5**epoch


def warm_up(o: optim.Optimizer, last: int) -> SequentialLR:
    return SequentialLR(o, [LinearLR(o, 0.1), StepLR(o, 2), ExponentialLR(o, 0.8)], [4, 9], last)


SCHEDULES: dict[str, Callable[[optim.Optimizer, int], LRScheduler]] = {
    "step": lambda o, last: StepLR(o, 3, 0.5, last),
    "multistep": lambda o, last: MultiStepLR(o, [7, 3, 3], 0.5, last),
    "exponential": lambda o, last: ExponentialLR(o, 0.9, last),
    "constant": lambda o, last: ConstantLR(o, 0.1, 6, last),
    "linear": lambda o, last: LinearLR(o, 0.1, 0.9, 9, last),
    "polynomial": lambda o, last: PolynomialLR(o, 15, 0.9, last),
    "cosine": lambda o, last: CosineAnnealingLR(o, 4, 0.01, last),
    "restarts": lambda o, last: CosineAnnealingWarmRestarts(o, 2, 2, 0.01, last),
    "one cycle": lambda o, last: OneCycleLR(o, 0.5, total_steps=40, last_epoch=last),
    "lambda": lambda o, last: LambdaLR(o, lambda epoch: 1 / (1 + epoch), last),
    "lambda, objects": lambda o, last: LambdaLR(o, [Halving(), Halving()], last),
    "sequential": warm_up,
    "nested": lambda o, last: SequentialLR(o, [ConstantLR(o), warm_up(o, -1)], [2], last),
}


def sgd(lr: float = 0.1) -> optim.SGD:
    params = [npnet.tensor(np.ones(2), requires_grad=True) for _ in range(2)]
    return optim.SGD([{"params": params[:1]}, {"params": params[1:], "lr": 0.03}], lr, 0.9)


def run(optimizer: optim.Optimizer, schedule: LRScheduler, epochs: int) -> list[Any]:
    """The learning rates and momenta after each step."""
    seen = []
    for _ in range(epochs):
        optimizer.step()
        schedule.step()
        seen.append([(g["lr"], g["momentum"]) for g in optimizer.param_groups])
    return seen


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("stop", [0, 3, 12])
def test_goes_on_from_its_state_exactly(name: str, stop: int) -> None:
    optimizer = sgd()
    schedule = SCHEDULES[name](optimizer, -1)
    run(optimizer, schedule, stop)
    kept = json.loads(json.dumps([optimizer.state_dict(), schedule.state_dict()]))
    expected = run(optimizer, schedule, 18)
    fresh = sgd(lr=0.7)  # which the optimizer's state corrects
    resumed = SCHEDULES[name](fresh, -1)
    fresh.load_state_dict(kept[0])
    resumed.load_state_dict(kept[1])
    assert json.loads(json.dumps(resumed.state_dict())) == kept[1]
    assert run(fresh, resumed, 18) == expected
    assert resumed.state_dict() == schedule.state_dict()


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("stop", [1, 3, 12])
def test_goes_on_from_last_epoch_exactly(name: str, stop: int) -> None:
    optimizer = sgd()
    schedule = SCHEDULES[name](optimizer, -1)
    run(optimizer, schedule, stop)
    fresh = sgd()
    fresh.load_state_dict(optimizer.state_dict())
    resumed = SCHEDULES[name](fresh, stop - 1)
    assert resumed.last_epoch == stop
    assert resumed.get_last_lr() == schedule.get_last_lr()
    assert run(fresh, resumed, 18) == run(optimizer, schedule, 18)


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name != "lambda, objects"])
def test_any_epoch_can_be_named(name: str) -> None:
    optimizer = sgd()
    schedule = SCHEDULES[name](optimizer, -1)
    seen = [schedule.get_last_lr()]
    for _ in range(15):
        optimizer.step()
        schedule.step()
        seen.append(schedule.get_last_lr())
    for epoch in (9, 0, 15, 4):
        schedule.step(epoch)
        assert schedule.get_last_lr() == seen[epoch]


def test_plateau_goes_on_exactly() -> None:
    def make(optimizer: optim.Optimizer) -> ReduceLROnPlateau:
        return ReduceLROnPlateau(optimizer, "max", 0.5, patience=1, cooldown=2)

    metrics = np.random.default_rng(0).standard_normal(40).tolist()
    for stop in (0, 1, 17):
        optimizer = sgd()
        schedule = make(optimizer)
        for metric in metrics[:stop]:
            schedule.step(metric)
        text = json.dumps([optimizer.state_dict(), schedule.state_dict()], allow_nan=False)
        fresh = sgd()
        resumed = make(fresh)
        for own, state in zip((fresh, resumed), json.loads(text), strict=True):
            own.load_state_dict(state)  # type: ignore[attr-defined]
        for metric in metrics[stop:]:
            schedule.step(metric)
            resumed.step(metric)
            assert resumed.get_last_lr() == schedule.get_last_lr()
        assert resumed.best == schedule.best > -math.inf


def test_objects_of_lambda_keep_their_attributes_but_functions_are_not_saved() -> None:
    schedule = LambdaLR(sgd(), [Halving(), lambda epoch: 1.0])
    assert schedule.state_dict()["lr_lambdas"] == [{"calls": 1}, None]
    again = LambdaLR(sgd(), [Halving(), lambda epoch: 1.0])
    again.load_state_dict({**schedule.state_dict(), "lr_lambdas": [{"calls": 9}, None]})
    assert again.lr_lambdas[0].calls == 9  # type: ignore[attr-defined]


def test_state_dict_is_a_copy() -> None:
    schedule = MultiStepLR(sgd(), [3])
    schedule.state_dict()["milestones"].append(1)
    assert schedule.milestones == [3]


CHAINED: dict[str, Any] = {
    "step": lambda lib, o: lib.StepLR(o, 2, 0.5),
    "multistep": lambda lib, o: lib.MultiStepLR(o, [1, 4], 0.5),
    "exponential": lambda lib, o: lib.ExponentialLR(o, 0.9),
    "constant": lambda lib, o: lib.ConstantLR(o, 0.5, 3),
    "linear": lambda lib, o: lib.LinearLR(o, 0.25, 1.0, 4),
    "polynomial": lambda lib, o: lib.PolynomialLR(o, 6, 2.0),
    "cosine": lambda lib, o: lib.CosineAnnealingLR(o, 3, 0.01),
    "lambda": lambda lib, o: lib.LambdaLR(o, lambda epoch: 0.95**epoch),
    "multiplicative": lambda lib, o: lib.MultiplicativeLR(o, lambda epoch: 0.9 + 0.01 * epoch),
}
# Products of the same few factors in another order.
CHAINED_BOUND = 1e-12


def steps_of(make: Any, by_hand: bool = False) -> list[list[float]]:
    """The learning rates of eight steps in npnet and in PyTorch."""
    found = []
    for lib, tensor in ((optim, npnet.tensor(np.ones(1), requires_grad=True)), (torch.optim, None)):
        p = torch.ones(1, requires_grad=True) if tensor is None else tensor
        optimizer = lib.SGD([p], lr=0.8)
        schedules, rates = make(lib.lr_scheduler, optimizer), []
        for i in range(8):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            optimizer.step()
            if by_hand and i == 2:
                optimizer.param_groups[0]["lr"] *= 0.3
            for schedule in schedules:
                schedule.step()
        found.append(rates)
    return found


@pytest.mark.parametrize("name", CHAINED)
def test_a_change_by_hand_is_gone_on_from(name: str) -> None:
    ours, theirs = steps_of(lambda lib, o: [CHAINED[name](lib, o)], by_hand=True)
    np.testing.assert_allclose(ours, theirs, CHAINED_BOUND)


@pytest.mark.parametrize("first", CHAINED)
@pytest.mark.parametrize("second", CHAINED)
def test_two_schedules_on_one_optimizer(first: str, second: str) -> None:
    def make(lib: Any, optimizer: Any) -> list[Any]:
        return [CHAINED[name](lib, optimizer) for name in (first, second)]

    if {first, second} == {"cosine", "polynomial"}:
        return  # their rate falls below 0, which npnet's optimizers refuse
    ours, theirs = steps_of(make)
    np.testing.assert_allclose(ours, theirs, CHAINED_BOUND)
    ours, chained = steps_of(lambda lib, o: [lib.ChainedScheduler(make(lib, o), o)])
    np.testing.assert_allclose(ours, chained, CHAINED_BOUND)
    np.testing.assert_allclose(chained, theirs, CHAINED_BOUND)


def test_a_chain_goes_on_from_its_state() -> None:
    def make(optimizer: Any) -> ChainedScheduler:
        return ChainedScheduler([ExponentialLR(optimizer, 0.5), ConstantLR(optimizer, 0.1, 4)])

    optimizer = sgd()
    chain = make(optimizer)
    for _ in range(3):
        optimizer.step()
        chain.step()
    fresh = sgd()
    again = make(fresh)
    fresh.load_state_dict(optimizer.state_dict())
    again.load_state_dict(json.loads(json.dumps(chain.state_dict())))
    for _ in range(3):
        optimizer.step()
        fresh.step()
        chain.step()
        again.step()
        assert again.get_last_lr() == chain.get_last_lr()
    with pytest.raises(ValueError, match="at least one scheduler"):
        ChainedScheduler([])
    with pytest.raises(ValueError, match="another optimizer"):
        ChainedScheduler([ExponentialLR(sgd(), 0.5)], sgd())
    with pytest.raises(ValueError, match="ReduceLROnPlateau"):
        ChainedScheduler([ReduceLROnPlateau(sgd())])


@pytest.mark.parametrize("momentum", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"step_size_down": 1},
        {"mode": "triangular2"},
        {"mode": "exp_range", "gamma": 0.9},
        {"scale_fn": lambda x: 1 / (5**x), "scale_mode": "iterations"},
        {"scale_fn": lambda x: 1 / (5**x)},
    ],
)
@pytest.mark.parametrize("rule", ["SGD", "Adam"])
def test_cyclic(rule: str, options: dict[str, Any], momentum: bool) -> None:
    found = []
    for lib, p in (
        (optim, npnet.tensor(np.ones(1), requires_grad=True)),
        (torch.optim, torch.ones(1, requires_grad=True)),
    ):
        own = {"momentum": 0.5} if rule == "SGD" else {}
        optimizer = getattr(lib, rule)([p], lr=1.0, **own)
        schedule = lib.lr_scheduler.CyclicLR(
            optimizer, 0.1, 0.9, 3, cycle_momentum=momentum, **options
        )
        rates = []
        for _ in range(14):
            group = optimizer.param_groups[0]
            rates.append((group["lr"], group.get("momentum", 0), group.get("betas", (0,))[0]))
            assert schedule.get_last_lr() == [group["lr"]]
            optimizer.step()
            schedule.step()
        found.append(rates)
    np.testing.assert_allclose(*found, CHAINED_BOUND)


def test_cyclic_refuses() -> None:
    with pytest.raises(ValueError, match="CyclicLR: mode"):
        CyclicLR(sgd(), 0.1, 1, mode="square")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cycle_momentum needs an optimizer with momentum"):
        CyclicLR(optim.Adagrad([npnet.tensor(np.ones(1), requires_grad=True)]), 0.1, 1)


def test_a_learning_rate_that_is_a_tensor_is_written_into() -> None:
    lr = npnet.tensor(np.array(0.5))
    optimizer = optim.SGD([npnet.tensor(np.ones(1), requires_grad=True)], lr=lr)
    schedule = ExponentialLR(optimizer, 0.5)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] is lr
    assert lr.item() == 0.25
    assert schedule.get_last_lr() == [0.25]


@pytest.mark.parametrize("lib", [optim, torch.optim], ids=["npnet", "torch"])
def test_schedules_of_users_that_define_step_or_get_lr(lib: Any) -> None:
    base = lib.lr_scheduler._LRScheduler

    class Poly(base):  # type: ignore[misc, valid-type]
        def __init__(self, optimizer: Any, power: float, last_epoch: int = -1) -> None:
            self.power = power
            super().__init__(optimizer, last_epoch)

        def get_lr(self) -> list[float]:
            assert self._get_lr_called_within_step
            return [b * (1 - self.last_epoch / 10) ** self.power for b in self.base_lrs]

    class Own(base):  # type: ignore[misc, valid-type]
        def step(self, epoch: Any = None) -> None:
            self.last_epoch += 1
            for group in self.optimizer.param_groups:
                group["lr"] = 1 / (1 + self.last_epoch)

    p = torch.ones(1, requires_grad=True)
    if lib is optim:
        p = npnet.tensor(np.ones(1), requires_grad=True)
    optimizer = lib.SGD([p], lr=0.5)
    schedule = Poly(optimizer, 2)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.5 * 0.81)
    state = schedule.state_dict()
    state["extra"] = 1
    schedule.load_state_dict(state)
    assert schedule.extra == 1
    other = Own(lib.SGD([p], lr=0.5))
    other.step()
    assert other.optimizer.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_step_before_the_optimizers_is_told(name: str) -> None:
    schedule = SCHEDULES[name](sgd(), -1)
    if name == "restarts":
        schedule.step()  # PyTorch does not warn either: its step is often given an epoch
        return
    with pytest.warns(UserWarning, match=r"was called before SGD\.step\(\): the first") as told:
        schedule.step()
    assert told[0].filename == __file__


def test_the_step_of_an_optimizer_of_ones_own_counts() -> None:
    class Own(optim.Optimizer):
        def step(self, closure: Any = None) -> None:
            pass

    optimizer = Own([npnet.tensor(np.ones(1), requires_grad=True)], {"lr": 0.1})
    schedule = ExponentialLR(optimizer, 0.5)
    optimizer.step()
    schedule.step()  # no warning that it comes too early


def test_a_schedule_of_ones_own_may_chain() -> None:
    class Warm(LRScheduler):
        def get_lr(self) -> list[float]:
            return [group["lr"] * 0.5 for group in self.optimizer.param_groups]

    optimizer = sgd(lr=0.4)
    schedule = Warm(optimizer)
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 1.0
    schedule.step()
    assert schedule.get_last_lr()[0] == 0.5
    with pytest.raises(NotImplementedError, match="LRScheduler defines no get_lr"):
        LRScheduler(optimizer)


def test_refuses_another_state() -> None:
    step, cosine = StepLR(sgd(), 3), CosineAnnealingLR(sgd(), 3)
    before = step.state_dict()
    with pytest.raises(ValueError, match=r"this StepLR: it lacks step_size.*T_max is not known"):
        step.load_state_dict(cosine.state_dict())
    small = StepLR(optim.SGD([npnet.tensor(np.ones(1), requires_grad=True)]), 3)
    with pytest.raises(ValueError, match="it has 1 groups, this 2"):
        step.load_state_dict(small.state_dict())
    assert step.state_dict() == before
    o, p = sgd(), sgd()
    ours = SequentialLR(o, [StepLR(o, 3), StepLR(o, 3)], [2])
    with pytest.raises(ValueError, match="this SequentialLR has 2 schedulers, the state 1"):
        ours.load_state_dict(SequentialLR(p, [StepLR(p, 3)], []).state_dict())
    other = SequentialLR(p, [StepLR(p, 9), CosineAnnealingLR(p, 3)], [2])
    with pytest.raises(ValueError, match="this StepLR: it lacks"):
        ours.load_state_dict(other.state_dict())
    assert ours.state_dict()["_schedulers"][0]["step_size"] == 3, "nothing is changed by half"


def test_last_epoch_needs_initial_lr() -> None:
    with pytest.raises(KeyError, match=r"param_groups\[0\] lacks 'initial_lr', which last_epoch=4"):
        StepLR(sgd(), 3, last_epoch=4)
    with pytest.raises(ValueError, match="StepLR: last_epoch must be >= -1, got -2"):
        StepLR(sgd(), 3, last_epoch=-2)


def test_a_group_added_later_is_told() -> None:
    for make in (lambda o: StepLR(o, 3), lambda o: ReduceLROnPlateau(o), lambda o: warm_up(o, -1)):
        optimizer = sgd()
        schedule = make(optimizer)
        optimizer.add_param_group({"params": [npnet.tensor(np.ones(1), requires_grad=True)]})
        optimizer.step()
        with pytest.raises(
            ValueError, match="has 3 parameter groups, but the schedule was given 2"
        ):
            schedule.step(*[1.0] * isinstance(schedule, ReduceLROnPlateau))


def test_training_goes_on_bit_for_bit_with_a_schedule() -> None:
    def train(optimizer: optim.Optimizer, schedule: LRScheduler, first: int, last: int) -> Any:
        for i in range(first, last):
            for group in optimizer.param_groups:
                for p in group["params"]:
                    p.grad = npnet.as_tensor(np.random.default_rng(i).standard_normal(2))
            optimizer.step()
            schedule.step()
        return [p.array.copy() for g in optimizer.param_groups for p in g["params"]]

    whole = sgd()
    expected = train(whole, warm_up(whole, -1), 0, 20)
    first = sgd()
    schedule = warm_up(first, -1)
    values = train(first, schedule, 0, 7)
    second = sgd()
    again = warm_up(second, -1)
    for group, value in zip(second.param_groups, values, strict=True):
        group["params"][0].array[...] = value
    second.load_state_dict(first.state_dict())
    again.load_state_dict(schedule.state_dict())
    assert_array_equal(train(second, again, 7, 20), expected)
