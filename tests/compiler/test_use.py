"""Compiled steps in use: threads, many sizes of batches, who holds gradients, what is trained."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import models, nn, optim
from npnet.compiler import EagerStep, cache
from npnet.nn import functional as F
from tests.campaign import trials

FLOAT32 = 2e-6  # as in test_step


pytestmark = pytest.mark.usefixtures("numba")


def batch(n: int) -> tuple[npnet.Tensor, npnet.Tensor]:
    rng = np.random.default_rng(n)
    x = npnet.from_numpy(rng.normal(size=(n, 3)).astype(np.float32))
    return x, npnet.from_numpy(rng.integers(0, 10, n))


def step_of(kind: Any, lr: float = 0.0, trained: slice = slice(None)) -> Any:
    npnet.manual_seed(0)
    model = models.MLP((3, 12, 10))
    return kind(model, F.cross_entropy, optim.SGD(list(model.parameters())[trained], lr=lr))


def gradients(step: Any) -> list[np.ndarray]:
    return [p.grad.numpy().copy() for p in step.model.parameters() if p.grad is not None]


def check_alike(got: list[np.ndarray], want: list[np.ndarray]) -> None:
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=FLOAT32 * max(np.abs(b).max(), 1))


# ---- threads -----------------------------------------------------------------------------------


@pytest.mark.campaign
def test_threads_take_turns() -> None:
    """Losses of one step called by several threads at once, each known beforehand."""
    step = step_of(npnet.compile)
    batches = [batch(n) for n in range(1, 41)]
    want = {len(x): step_of(EagerStep)(x, y).item() for x, y in batches}
    work = batches * trials(5, 200)
    with ThreadPoolExecutor(4) as pool:
        losses = list(pool.map(lambda xy: (len(xy[0]), step(*xy).item()), work))
    wrong = [n for n, loss in losses if abs(loss - want[n]) > FLOAT32 * want[n]]
    assert not wrong, f"{len(wrong)} of {len(work)}"


def test_threads_train_as_one() -> None:
    """Steps add up whatever the order: a linear model with a sum of losses."""
    model = nn.Linear(3, 10)
    step = npnet.compile(model, F.cross_entropy, optim.SGD(model.parameters(), lr=1e-3))
    before = model.weight.detach().numpy().copy()
    work = [batch(16)] * 100
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda xy: step(*xy), work))
    after = model.weight.detach().numpy().copy()
    model.weight.data = npnet.from_numpy(before)
    model.bias.data = model.bias.data * 0 + model.bias.data
    assert not np.array_equal(before, after)


# ---- sizes of batches --------------------------------------------------------------------------


def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by the size of the batch for which a program is made."""
    sizes: list[int] = []
    before = cache._Reading._new

    def new(self: Any, model: nn.Module, x: npnet.Tensor, output: Any) -> Any:
        sizes.append(len(x))
        return before(self, model, x, output)

    monkeypatch.setattr(cache._Reading, "_new", new)
    return sizes


def test_forty_sizes_have_their_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, step = made(monkeypatch), step_of(npnet.compile)
    for _ in range(4):
        for n in range(1, 41):
            step(*batch(n))
    assert len(sizes) == cache.KEPT
    assert len(set(sizes)) == cache.KEPT
    assert step.fallback == "other shapes of batches are used more, and have all the programs"


def test_the_least_used_one_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "KEPT", 2)
    sizes, step = made(monkeypatch), step_of(npnet.compile)
    for n in (5, 5, 5, 6, 7, 7, 7, 5, 7):
        step(*batch(n))
        assert step.fallback is None or n == 7
    assert sizes == [5, 6, 7]
    assert step.fallback is None


def test_programs_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LARGEST", 1)
    sizes, step = made(monkeypatch), step_of(npnet.compile)
    for n in (5, 6, 6, 6, 5):
        step(*batch(n))
    assert sizes == [5, 6]
    (reading,) = step._programs._readings.values()
    assert len(reading._programs) == 1


def test_a_last_batch_seen_once_an_epoch_has_one_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, step = made(monkeypatch), step_of(npnet.compile)
    for _ in range(2):
        for n in (8, 8, 8, 3):
            step(*batch(n))
            assert step.fallback is None
    assert sizes == [8, 3]


# ---- gradients ---------------------------------------------------------------------------------


@pytest.mark.parametrize("held", ["tensors", "arrays", "views", "detached"])
def test_gradients_that_somebody_holds_stay(held: str) -> None:
    step, eager = step_of(npnet.compile), step_of(EagerStep)
    hold = {
        "tensors": lambda g: g,
        "arrays": lambda g: g.numpy(),
        "views": lambda g: g.numpy()[..., 1:],
        "detached": lambda g: g.detach(),
    }[held]
    for way in (step, eager):
        way.gradients(*batch(5))
    kept = [hold(p.grad) for p in step.model.parameters()]
    before = [np.array(k if isinstance(k, np.ndarray) else k.numpy()) for k in kept]
    for n in (6, 5, 5, 5):
        for way in (step, eager):
            way.gradients(*batch(n))
        check_alike(gradients(step), gradients(eager))
        for k, b in zip(kept, before, strict=True):
            np.testing.assert_array_equal(k if isinstance(k, np.ndarray) else k.numpy(), b)
        more = [hold(p.grad) for p in step.model.parameters()]
        kept += more
        before += [np.array(k if isinstance(k, np.ndarray) else k.numpy()) for k in more]
    assert step.fallback is None


def test_memory_is_used_again_where_nobody_holds_it() -> None:
    step = step_of(npnet.compile)
    places = set()
    for _ in range(4):
        step(*batch(5))
        places.add(step.model.layers[0].weight.grad.numpy().ctypes.data)
        assert step.fallback is None
    assert len(places) == 1


@pytest.mark.parametrize("trained", [slice(0, 2), slice(2, 4), slice(0, 1)])
def test_what_the_optimizer_does_not_have_is_added_up(trained: slice) -> None:
    steps = [step_of(kind, 0.1, trained) for kind in (npnet.compile, EagerStep)]
    for n in (5, 5, 7, 5):
        for step in steps:
            step(*batch(n))
        check_alike(gradients(steps[0]), gradients(steps[1]))
    weights = [[p.detach().numpy() for p in step.model.parameters()] for step in steps]
    check_alike(*weights)


def test_parameters_outside_the_chain_are_not_moved_again() -> None:
    """The optimizer has a parameter that the network does not use, with a gradient of old."""
    for kind in (npnet.compile, EagerStep):
        model, other = models.MLP((3, 10)), nn.Parameter(npnet.ones(2))
        other.grad = npnet.ones(2)
        rule = optim.SGD([*model.parameters(), other], lr=0.1)
        step = kind(model, F.cross_entropy, rule)
        for _ in range(3):
            step(*batch(5))
        assert other.grad is None
        np.testing.assert_array_equal(other.detach().numpy(), 1)


def test_all_frozen_is_an_error_as_in_the_loop() -> None:
    step = step_of(npnet.compile)
    step(*batch(5))
    step.model.requires_grad_(False)
    with pytest.raises(RuntimeError, match="depends on nothing that requires a gradient"):
        step(*batch(5))
    step.model.requires_grad_(True)
    step(*batch(5))
    assert step.fallback is None


def test_the_input_s_gradient() -> None:
    results = []
    for kind in (npnet.compile, EagerStep):
        step, (x, y) = step_of(kind), batch(5)
        step(x, y)
        x.requires_grad_()
        step(x, y)
        assert x.grad is not None
        results.append(x.grad.numpy())
    check_alike(results[:1], results[1:])


# ---- the parts of a step -----------------------------------------------------------------------


class Doubled(nn.CrossEntropyLoss):
    def forward(self, input: npnet.Tensor, target: npnet.Tensor) -> npnet.Tensor:
        return 2 * super().forward(input, target)


class DoubledError(nn.MSELoss):
    def forward(self, input: npnet.Tensor, target: npnet.Tensor) -> npnet.Tensor:
        return 2 * super().forward(input, target)


@pytest.mark.parametrize("criterion", [Doubled(), DoubledError()])
def test_a_loss_of_the_user_s(criterion: Any) -> None:
    x, y = batch(5)
    target = y if isinstance(criterion, nn.CrossEntropyLoss) else F.one_hot(y, 10).float()
    losses = []
    for kind in (npnet.compile, EagerStep):
        npnet.manual_seed(0)
        model = models.MLP((3, 10))
        step = kind(model, criterion, optim.SGD(model.parameters(), lr=0.1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            losses.append([step(x, target).item() for _ in range(3)])
    assert losses[0] == losses[1]


def test_parts_are_replaced() -> None:
    """`step.model`, `step.criterion` and `step.optimizer` are attributes to be written."""
    steps = [step_of(kind, 0.1) for kind in (npnet.compile, EagerStep)]
    x, y = batch(5)

    def both() -> None:
        losses = [step(x, y).item() for step in steps]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)

    both()
    for step in steps:
        step.criterion = nn.CrossEntropyLoss(label_smoothing=0.3)
    both()
    assert steps[0].fallback is None
    for step in steps:
        npnet.manual_seed(5)
        step.model = models.MLP((3, 4, 10))
        step.optimizer = optim.Adam(step.model.parameters(), lr=0.1)
    both()
    both()
    assert steps[0].fallback is None


def test_a_compiled_model_as_a_step_s_model_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, step = made(monkeypatch), step_of(npnet.compile)
    step.model = npnet.compile(step.model)
    for _ in range(3):
        step(*batch(5))
    assert sizes == [5]


def test_a_warning_comes_once_for_each_reason() -> None:
    step, (x, y) = step_of(npnet.compile), batch(5)
    step(x, y)
    step.model.layers.append(nn.GELU())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for i in range(3):
            step(x, y)
            step.model.another = i  # it is read again
    assert [str(w.message) for w in caught] == [
        "compile: MLP runs as an eager loop: GELU is not among its layers"
    ]
    del step.model.layers[-1]
    step(x, y)
    assert step.fallback is None
