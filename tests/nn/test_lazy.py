"""Lazy layers beside PyTorch's: before the first input, after it, and from a state."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import npnet

FLOAT32 = {"rtol": 1e-4, "atol": 1e-5}  # sums of a few dozen float32 products

CASES: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("LazyLinear", (3,), {}, (2, 5)),
    ("LazyLinear", (3,), {"bias": False}, (5,)),
    ("LazyConv1d", (4, 3), {"groups": 2}, (2, 6, 9)),
    ("LazyConv2d", (4, 3), {"padding": 1, "groups": 2}, (2, 6, 5, 5)),
    ("LazyConv2d", (4, (3, 2)), {"bias": False}, (3, 5, 5)),
    ("LazyConvTranspose1d", (4, 3), {}, (2, 6, 5)),
    ("LazyConvTranspose2d", (4, 3), {"stride": 2, "groups": 2}, (2, 6, 5, 5)),
    ("LazyBatchNorm1d", (), {}, (4, 6)),
    ("LazyBatchNorm2d", (), {"affine": False}, (4, 6, 2, 2)),
    ("LazyBatchNorm3d", (), {"track_running_stats": False}, (4, 6, 2, 2, 1)),
    ("LazyInstanceNorm1d", (), {"affine": True}, (4, 6, 3)),
    ("LazyInstanceNorm2d", (), {"affine": True, "track_running_stats": True}, (4, 6, 3, 2)),
    ("LazyInstanceNorm3d", (), {"affine": False}, (4, 6, 2, 2, 2)),
]
LAZY = {name for name, _, _, _ in CASES}


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature:UserWarning")  # torch's
@pytest.mark.parametrize(("name", "args", "options", "shape"), CASES)
def test_the_first_input_tells_the_size(
    name: str, args: tuple[Any, ...], options: dict[str, Any], shape: tuple[int, ...]
) -> None:
    theirs = getattr(torch.nn, name)(*args, **options)
    ours = getattr(npnet.nn, name)(*args, **options)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    parameters = list(ours.parameters())
    other = copy.deepcopy(ours)
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    expected = theirs(torch.from_numpy(x))
    ours(npnet.from_numpy(x))
    assert all(p is q for p, q in zip(parameters, ours.parameters(), strict=True))
    assert repr(ours) == repr(theirs)
    assert type(ours).__name__ == type(theirs).__name__
    if not theirs.state_dict():
        return
    for layer in (ours, other):  # the other one learns it from the state
        layer.load_state_dict(theirs.state_dict())
        again = layer.eval()(npnet.from_numpy(x))
        assert again.shape == expected.shape
        assert_allclose(again.detach(), theirs.eval()(torch.from_numpy(x)).detach(), **FLOAT32)


def test_an_optimizer_may_have_the_parameters_before() -> None:
    net = npnet.nn.Sequential(npnet.nn.LazyLinear(4), npnet.nn.ReLU(), npnet.nn.LazyLinear(1))
    optimizer = npnet.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(2):
        loss = (net(npnet.ones(3, 2)) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]
    assert net[0].in_features == 2
