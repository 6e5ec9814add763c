"""Modules of several inputs that PyTorch's own test inputs leave out, beside PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import npnet

FLOAT64 = {"rtol": 1e-10, "atol": 1e-12}  # sums of a few float64 products

CASES: list[tuple[str, dict[str, Any], int]] = [
    ("TripletMarginLoss", {}, 3),
    ("TripletMarginLoss", {"margin": 2.0, "p": 1.0, "swap": True, "reduction": "sum"}, 3),
    ("TripletMarginLoss", {"eps": 0.1, "reduction": "none"}, 3),
    ("TripletMarginWithDistanceLoss", {"margin": 2.0}, 3),
    ("TripletMarginWithDistanceLoss", {"swap": True, "reduction": "none"}, 3),
    ("CosineSimilarity", {}, 2),
    ("CosineSimilarity", {"dim": 0, "eps": 0.1}, 2),
    ("PairwiseDistance", {}, 2),
    ("PairwiseDistance", {"p": 1.0, "keepdim": True}, 2),
]
TESTED = {name for name, _, _ in CASES} | {"NLLLoss2d"}


@pytest.mark.parametrize(("name", "options", "count"), CASES)
def test_agrees(name: str, options: dict[str, Any], count: int) -> None:
    arrays = np.random.default_rng(0).standard_normal((count, 5, 4))
    ours = [npnet.from_numpy(a.copy()).requires_grad_() for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    module, reference = getattr(npnet.nn, name)(**options), getattr(torch.nn, name)(**options)
    assert repr(module) == repr(reference)
    y, expected = module(*ours), reference(*theirs)
    assert_allclose(y.detach().numpy(), expected.detach(), **FLOAT64)
    y.sum().backward()
    expected.sum().backward()
    for a, b in zip(ours, theirs, strict=True):
        assert_allclose(a.grad.numpy(), b.grad, **FLOAT64)  # type: ignore[union-attr]


def test_a_distance_of_ones_own() -> None:
    loss = npnet.nn.TripletMarginWithDistanceLoss(
        distance_function=lambda a, b: (a - b).abs().sum(1)
    )
    zero, one = npnet.zeros(2, 3), npnet.ones(2, 3)
    assert loss(zero, one, zero).item() == 4.0


@pytest.mark.parametrize("lib", [npnet, torch])
def test_nll_loss_2d_is_warned_of(lib: Any) -> None:
    with pytest.warns(FutureWarning, match="NLLLoss2d"):
        assert lib.nn.NLLLoss2d(reduction="sum").reduction == "sum"
