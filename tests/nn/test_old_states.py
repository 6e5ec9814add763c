"""States of older versions of PyTorch, and of other kinds of numbers, that PyTorch takes."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

import npnet
from npnet import nn, optim


def pair() -> tuple[nn.Sequential, torch.nn.Sequential]:
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    theirs(torch.randn(4, 1, 5, 5))
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), theirs


def check_alike(ours: nn.Module, theirs: torch.nn.Module) -> None:
    state = theirs.state_dict()
    for name, value in ours.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), state[name].numpy(), err_msg=name)


def test_batch_norm_without_its_count_of_batches() -> None:
    ours, theirs = pair()
    ours[1].num_batches_tracked.fill_(7)
    state = {k: v for k, v in theirs.state_dict().items() if "num_batches" not in k}
    theirs[1].num_batches_tracked.fill_(7)
    result = ours.load_state_dict(state)
    assert result == ([], [])
    assert ours[1].num_batches_tracked.item() == 7
    check_alike(ours, theirs)


def test_other_names_may_not_be_missing() -> None:
    ours, theirs = pair()
    state = {k: v for k, v in theirs.state_dict().items() if "running_mean" not in k}
    with pytest.raises(
        RuntimeError, match=r'Missing key\(s\) in state_dict: "1\.running_mean"\. $'
    ):
        ours.load_state_dict(state)


def test_a_count_of_shape_1() -> None:
    ours, theirs = pair()
    state = theirs.state_dict()
    for count in (torch.tensor([5]), npnet.tensor([5]), np.array([5])):
        ours.load_state_dict({**state, "1.num_batches_tracked": count})
        assert ours[1].num_batches_tracked.item() == 5
    with pytest.raises(
        RuntimeError, match=r"with shape \(2,\) from checkpoint, the shape in current model is \(\)"
    ):
        ours.load_state_dict({**state, "1.num_batches_tracked": np.array([5, 6])})


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float8_e4m3fn])
def test_short_floats_of_torch(dtype: torch.dtype) -> None:
    ours, theirs = pair()
    state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in theirs.state_dict().items()}
    ours.load_state_dict(state)
    theirs.load_state_dict({k: v.float() if v.ndim else v for k, v in state.items()})
    check_alike(ours, theirs)


@pytest.mark.parametrize("value", ["text", np.array(["a", "b"]), np.array([1 + 1j, 2])])
def test_what_is_no_number_is_refused_before_anything_is_written(value: Any) -> None:
    ours, _ = pair()
    before = {k: v.numpy().copy() for k, v in ours.state_dict().items()}
    state = {**ours.state_dict(), "0.weight": npnet.ones(2, 1, 3, 3), "0.bias": value}
    with pytest.raises((TypeError, RuntimeError), match=r"0\.bias"):
        ours.load_state_dict(state)
    for name, kept in ours.state_dict().items():
        np.testing.assert_array_equal(kept.numpy(), before[name])


LATER = ("maximize", "foreach", "capturable", "differentiable", "fused", "decoupled_weight_decay")


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "NAdam", "RMSprop"])
def test_optimizers_states_that_lack_options_of_later_versions(name: str) -> None:
    ours, theirs = pair()
    ours.load_state_dict(theirs.state_dict())
    options: dict[str, Any] = {"lr": 0.1, "weight_decay": 0.1}
    if name in ("SGD", "RMSprop"):
        options["momentum"] = 0.9
    theirs_rule = getattr(torch.optim, name)(theirs.parameters(), **options)
    ours_rule = getattr(optim, name)(ours.parameters(), **options, maximize=True)
    theirs(torch.ones(4, 1, 5, 5)).sum().backward()
    theirs_rule.step()
    old = copy.deepcopy(theirs_rule.state_dict())
    for group in old["param_groups"]:
        for key in LATER:
            group.pop(key, None)
    theirs_rule.load_state_dict(copy.deepcopy(old))
    ours_rule.load_state_dict(old)
    assert ours_rule.param_groups[0]["maximize"] is False  # as in PyTorch
    assert ours_rule.param_groups[0].get("decoupled_weight_decay", None) in (
        (True,) if name == "AdamW" else (False, None)
    )
    ours.load_state_dict(theirs.state_dict())
    for lib, model, rule in ((npnet, ours, ours_rule), (torch, theirs, theirs_rule)):
        for p in model.parameters():
            p.grad = lib.ones_like(p) * 0.5
        rule.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(
            a.detach().numpy(), b.detach().numpy(), rtol=1e-5, atol=1e-6, err_msg=name
        )


def test_an_option_that_every_version_has_may_not_be_missing() -> None:
    ours, _ = pair()
    rule = optim.SGD(ours.parameters(), lr=0.1)
    state = rule.state_dict()
    del state["param_groups"][0]["lr"]
    with pytest.raises(ValueError, match="its groups lack lr"):
        rule.load_state_dict(state)
