"""`npnet.compile`, and the ordinary call that finds its program by itself, after anything was
changed: what the eager loop does, or the eager loop."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import nn, optim
from npnet.base.grad_mode import state
from npnet.compiler import EagerStep, serving
from tests.campaign import trials
from tests.compiler.changes import CHANGES, INPUTS, OUTPUTS, Case, network

# Three steps of a few layers: sums of at most a hundred terms in another order.
FLOAT32 = 2e-5


@pytest.fixture(autouse=True)
def _direct(numba: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    npnet.set_winograd(False)  # with it, some chains have no program
    monkeypatch.setattr(serving, "FIRST_WAIT", 1)
    monkeypatch.setattr(serving, "LONGEST_WAIT", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # why one is left to the eager loop
        yield


def case(seed: int, images: bool, all_trained: bool) -> Case:
    draw = np.random.default_rng(seed)
    npnet.manual_seed(seed)
    model = network(draw, images)
    trained = list(model.parameters())
    if not all_trained:
        trained = trained[1:]
    rule = optim.SGD(trained, lr=0.05, momentum=0.9)
    return Case(model, rule, nn.CrossEntropyLoss(), np.random.default_rng(seed))


def same_case(seed: int, images: bool, all_trained: bool) -> tuple[Case, Case]:
    return case(seed, images, all_trained), case(seed, images, all_trained)


def outcome(function: Any, *args: Any) -> Any:
    """What a call gives, or the kind of error that it raises."""
    try:
        return function(*args)
    except Exception as error:
        return type(error)


def eagerly(model: Any) -> Any:
    """The model, called as if it were a part of another, which is never served by a program."""

    def forward(x: npnet.Tensor) -> Any:
        state.inside = True
        try:
            return model(x)
        finally:
            state.inside = False

    return forward


CALLS = 3  # the ordinary one is counted, makes its program, and runs it


def observe(way: Any, forward: Any, one: Case, x: npnet.Tensor, y: npnet.Tensor) -> list[Any]:
    """Loss, output, gradients and weights after a step, and forward passes without recording."""
    loss = outcome(way, x, y)
    seen = [loss if isinstance(loss, type) else loss.numpy()]
    seen += [way.output.numpy() if way.output is not None else None]
    for p in one.model.parameters():
        seen += [None if p.grad is None else p.grad.numpy().copy(), p.detach().numpy().copy()]
    with npnet.no_grad():
        outputs = [outcome(forward, x + i) for i in range(CALLS)]
    return [*seen, *[y if isinstance(y, type) else y.numpy() for y in outputs]]


def check(got: list[Any], want: list[Any], what: str) -> None:
    assert len(got) == len(want), what
    for i, (a, b) in enumerate(zip(got, want, strict=True)):
        if isinstance(b, np.ndarray):
            assert isinstance(a, np.ndarray), f"{what}: {i} is {a}, not {b}"
            scale = np.abs(b[np.isfinite(b)]).max(initial=1e-3)
            np.testing.assert_allclose(a, b, rtol=0, atol=FLOAT32 * scale, err_msg=f"{what}: {i}")
        else:
            assert a is b, f"{what}: {i} is {a}, not {b}"


def batch(draw: np.random.Generator, n: int, images: bool) -> tuple[npnet.Tensor, npnet.Tensor]:
    shape = (n, INPUTS, 6, 6) if images else (n, INPUTS)
    x = npnet.from_numpy(draw.normal(size=shape).astype(np.float32))
    return x, npnet.from_numpy(draw.integers(0, OUTPUTS, n))


def served(model: Any) -> int:
    """How many of the ordinary calls of late a program did."""
    known = vars(model).get(nn.module.SERVING)
    return 0 if known is None else known._served


def compare(
    seed: int, images: bool, all_trained: bool, names: list[list[str]], n: int, ordinary: bool
) -> list[Any]:
    """Steps with changes between them, eager and compiled; of each, whether it had a program."""
    eager, ours = same_case(seed, images, all_trained)
    if ordinary:  # in training, its calls are the model's
        eager.model.eval()
        ours.model.eval()
    ways = (
        EagerStep(eager.model, eager.criterion, eager.optimizer),
        npnet.compile(ours.model, ours.criterion, ours.optimizer),
    )
    forward = ours.model if ordinary else npnet.compile(ours.model)
    draw = np.random.default_rng(seed + 1)
    had_programs = []
    for changes in names:
        for name in changes:
            results = []
            for one in (eager, ours):
                npnet.manual_seed(seed)  # new layers begin alike
                results.append(outcome(CHANGES[name], one))
            assert results[0] is results[1] or not isinstance(results[0], type), name
        x, y = batch(draw, n, images)
        want = observe(ways[0], eagerly(eager.model), eager, x, y)
        got = observe(ways[1], forward, ours, x, y)
        check(got, want, f"seed {seed}, after {changes} of {names}: {ways[1].fallback}")
        had_programs.append(served(ours.model) > 0 if ordinary else ways[1].fallback is None)
    return had_programs


both_ways = pytest.mark.parametrize("ordinary", [False, True], ids=["compiled", "ordinary"])


@both_ways
@pytest.mark.parametrize("images", [False, True], ids=["features", "images"])
def test_these_networks_have_programs(images: bool, ordinary: bool) -> None:
    for seed in range(3):
        assert compare(seed, images, True, [[], []], 7, ordinary) == [True, True]


@both_ways
@pytest.mark.parametrize("name", CHANGES)
def test_after_a_change(name: str, ordinary: bool) -> None:
    compare(1, False, True, [[], [name], [name]], 7, ordinary)
    compare(2, True, False, [[], [name], []], 2, ordinary)


@both_ways
@pytest.mark.campaign
def test_after_any_changes(ordinary: bool) -> None:
    """Random networks, three steps, up to three changes before each of them."""
    names = list(CHANGES)
    with_programs = 0
    for seed in range(trials(20, 1000)):
        draw = np.random.default_rng(10_000 + seed)
        rounds = [
            [names[i] for i in draw.integers(len(names), size=draw.integers(4))] for _ in "123"
        ]
        images, all_trained = bool(draw.integers(2)), bool(draw.integers(4))
        n = int(draw.integers(1, 20))
        with_programs += compare(seed, images, all_trained, [[], *rounds], n, ordinary).count(True)
    assert with_programs > trials(20, 1000)  # else it would have compared the eager loop to itself
