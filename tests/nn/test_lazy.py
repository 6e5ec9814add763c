"""Lazy layers beside PyTorch's: before the first batch, and what they are after it."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

import npnet
from npnet import nn
from npnet.base.checks import ShapeError
from npnet.nn.modules.lazy import UninitializedParameter

FLOAT32 = {"rtol": 1e-5, "atol": 1e-5}  # sums of some thirty products

CASES: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    ("LazyConv1d", {"out_channels": 4, "kernel_size": 3}, (2, 3, 8)),
    ("LazyConv1d", {"out_channels": 4, "kernel_size": 3, "bias": False}, (3, 8)),
    ("LazyConv2d", {"out_channels": 4, "kernel_size": 3, "padding": 1}, (2, 3, 8, 7)),
    ("LazyConv2d", {"out_channels": 4, "kernel_size": 3, "groups": 2}, (2, 6, 8, 7)),
    ("LazyConvTranspose1d", {"out_channels": 4, "kernel_size": 3, "stride": 2}, (2, 3, 8)),
    ("LazyConvTranspose2d", {"out_channels": 4, "kernel_size": 3, "groups": 2}, (2, 6, 4, 5)),
    ("LazyLinear", {"out_features": 4}, (2, 5)),
    ("LazyLinear", {"out_features": 4, "bias": False}, (2, 3, 5)),
    ("LazyBatchNorm1d", {}, (4, 3)),
    ("LazyBatchNorm2d", {"momentum": 0.3, "affine": False}, (4, 3, 5, 5)),
]


@pytest.mark.parametrize(("name", "options", "shape"), CASES)
def test_becomes_torch_s_layer(name: str, options: dict[str, Any], shape: tuple[int, ...]) -> None:
    ours, theirs = getattr(nn, name)(**options), getattr(torch.nn, name)(**options)
    assert repr(ours) == repr(theirs)
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    before = [*ours.parameters()]
    assert all(type(p) is UninitializedParameter for p in before)
    x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    unused = copy.deepcopy(ours)
    ours(npnet.from_numpy(x)), theirs(torch.from_numpy(x))
    assert type(ours).__name__ == type(theirs).__name__ == name.removeprefix("Lazy")
    assert repr(ours) == repr(theirs)
    assert repr(unused) == repr(getattr(torch.nn, name)(**options))
    for p, known, p_ref in zip(ours.parameters(), before, theirs.parameters(), strict=True):
        assert p is known  # what an optimizer holds
        assert type(p) is nn.Parameter
        assert p.shape == tuple(p_ref.shape)
    ours.load_state_dict(theirs.state_dict())
    y, y_ref = ours(npnet.from_numpy(x)), theirs(torch.from_numpy(x))
    np.testing.assert_allclose(y.detach(), y_ref.detach(), **FLOAT32)


def test_an_optimizer_made_before_trains_them() -> None:
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))
    optimizer = npnet.optim.SGD(model.parameters(), lr=0.1)
    x = npnet.randn(3, 2, 6, 6)
    model(x)
    weight = model[3].weight.detach().clone()
    y = model(x)
    (y * y).sum().backward()
    optimizer.step()
    assert not npnet.equal(weight, model[3].weight)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="LazyConv2d: groups must divide in_channels 3, got 2"):
        nn.LazyConv2d(4, 3, groups=2)(npnet.ones(1, 3, 8, 8))
    with pytest.raises(ShapeError, match="LazyConv2d: input has too few axes, got"):
        nn.LazyConv2d(4, 3)(npnet.ones(8, 8))
