"""Resuming and misuse of schedules."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import npnet
from npnet import optim
from npnet.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
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


def test_a_change_by_hand_is_overwritten_and_told() -> None:
    optimizer = sgd()
    schedule = ExponentialLR(optimizer, 0.5)
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 1.0
    with pytest.warns(
        UserWarning, match=r"\[1\.0, 0\.03\] were not set by this .*overwrites them"
    ) as told:
        schedule.step()
    assert told[0].filename == __file__
    assert schedule.get_last_lr() == [0.05, 0.015]
    schedule.step()  # no warning: nothing was changed since


def test_a_second_schedule_on_the_same_optimizer_is_told() -> None:
    optimizer = sgd()
    first, _ = ExponentialLR(optimizer, 0.5), ConstantLR(optimizer, 0.5)
    optimizer.step()
    with pytest.warns(UserWarning, match="combine schedules with SequentialLR"):
        first.step()


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_step_before_the_optimizers_is_told(name: str) -> None:
    schedule = SCHEDULES[name](sgd(), -1)
    if name == "restarts":
        schedule.step()  # PyTorch does not warn either: its step is often given an epoch
        return
    with pytest.warns(UserWarning, match=r"was called before SGD\.step\(\): the first") as told:
        schedule.step()
    assert told[0].filename == __file__


def test_an_optimizer_with_a_step_of_its_own_is_not_accused() -> None:
    class Own(optim.Optimizer):
        def step(self, closure: Any = None) -> None:
            pass

    optimizer = Own([npnet.tensor(np.ones(1), requires_grad=True)], {"lr": 0.1})
    ExponentialLR(optimizer, 0.5).step()


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
