"""SGD's update of all parameters by one kernel, where gradients stay where they are."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import Tensor
from npnet.kernels import joint_update, lanes
from npnet.kernels._jit import set_num_threads
from npnet.optim import SGD

pytestmark = pytest.mark.usefixtures("numba")

SHAPES = ((3, 5), (7,), (100, 90), (), (5000,))
OPTIONS: tuple[dict[str, Any], ...] = (
    {}, {"nesterov": True, "weight_decay": 0.01}, {"dampening": 0.5}, {"maximize": True},
)  # fmt: skip
STEPS = 5


@pytest.fixture
def joint(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One number for each joint update that is made."""
    made: list[int] = []
    run = joint_update.JointSGD.run

    def noted(self: joint_update.JointSGD, *numbers: Any) -> None:
        made.append(1)
        run(self, *numbers)

    monkeypatch.setattr(joint_update.JointSGD, "run", noted)
    return made


def parameters() -> list[Tensor]:
    rng = np.random.default_rng(0)
    arrays = [np.array(rng.standard_normal(s), np.float32) for s in SHAPES]
    return [npnet.tensor(a, requires_grad=True) for a in arrays]


def train(params: list[Tensor], optimizer: SGD, stay: bool) -> list[np.ndarray[Any, Any]]:
    """What becomes of the parameters, by gradients that stay where they are or do not."""
    rng = np.random.default_rng(1)
    gradients = [npnet.zeros(*p.shape) for p in params]
    for step in range(STEPS):
        for p, g in zip(params, gradients, strict=True):
            values = np.array(rng.standard_normal(p.shape), np.float32)
            g.array[...] = values
            p.grad = g if stay else npnet.from_numpy(values)
        optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
        optimizer.step()
    return [p.detach().numpy() for p in params]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_same_bits_as_one_by_one(options: dict[str, Any], joint: list[int]) -> None:
    results = []
    for threads, stay in ((1, True), (2, True), (2, False)):
        set_num_threads(threads)
        params = parameters()
        results.append(train(params, SGD(params, momentum=0.9, **options), stay))
    for one, two, apart in zip(*results, strict=True):
        np.testing.assert_array_equal(one, apart)
        np.testing.assert_array_equal(two, apart)
    assert len(joint) == (0 if "maximize" in options else 2 * (STEPS - 1))


def test_what_is_not_finite_comes_through(joint: list[int]) -> None:
    (p,) = params = [npnet.zeros(40, requires_grad=True)]
    p.grad = npnet.tensor(np.resize(np.float32([np.nan, np.inf, -np.inf, 1]), 40))
    optimizer = SGD(params, lr=0.5, momentum=0.5)
    optimizer.step()
    optimizer.step()
    want = np.resize(np.float32([np.nan, -np.inf, np.inf, -1.25]), 40)
    np.testing.assert_array_equal(p.detach().numpy(), want)
    assert joint


def shared_memory(params: list[Tensor]) -> None:
    params[1].data = params[4].data[10:17]


def other_dtype(params: list[Tensor]) -> None:
    params[0].data = params[0].data.double()


@pytest.mark.parametrize("change", [shared_memory, other_dtype])
def test_other_arrays_are_updated_one_by_one(
    change: Callable[[list[Tensor]], None], joint: list[int]
) -> None:
    results = []
    for stay in (True, False):
        params = parameters()
        change(params)
        gradients = [npnet.ones_like(p) for p in params]
        optimizer = SGD(params, lr=0.1, momentum=0.9)
        for _ in range(STEPS):
            for p, g in zip(params, gradients, strict=True):
                p.grad = g if stay else g.clone()
            optimizer.step()
        results.append([p.detach().numpy() for p in params])
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not joint


def test_a_parameter_whose_memory_was_replaced(joint: list[int]) -> None:
    params = parameters()
    optimizer = SGD(params, lr=0.1, momentum=0.9)
    for p in params:
        p.grad = npnet.ones_like(p).detach()
    for _ in range(3):
        optimizer.step()
    before = params[2].detach().numpy()
    params[2].data = npnet.zeros(100, 90)
    kept = before.copy()
    optimizer.step()
    np.testing.assert_array_equal(before, kept)
    assert (params[2].detach().numpy() != 0).all()
    assert len(joint) == 3


def test_copies_and_pickles_go_on(joint: list[int]) -> None:
    params = parameters()
    optimizer = SGD(params, lr=0.1, momentum=0.9)
    train(params, optimizer, stay=True)
    assert joint
    results = []
    for other in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        results.append(train(other.param_groups[0]["params"], other, stay=True))
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


def test_arrays_that_share_memory_are_not_apart() -> None:
    x = lanes.zeros((64,))
    assert joint_update.are_apart([x[:16], x[32:], x[16:32]])
    assert not joint_update.are_apart([x[:16], x[15:17]])
