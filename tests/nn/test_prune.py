"""`nn.utils.prune` against PyTorch's: masks, names, what is trained, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.utils.prune

import npnet
import npnet.nn.utils.prune
from npnet import nn, optim

Prune = Callable[[Any, Any, Any], None]  # of a library, its prune module, a model


def _scores(lib: Any, shape: tuple[int, ...]) -> Any:
    values = np.random.default_rng(5).permutation(np.prod(shape)).reshape(shape)
    return lib.tensor(values.astype(np.float32))


def _globally(lib: Any, prune: Any, m: Any) -> None:
    pairs = [(m[0], "weight"), (m[3], "weight"), (m[3], "bias")]
    prune.global_unstructured(pairs, pruning_method=prune.L1Unstructured, amount=0.4)
    prune.global_unstructured(pairs, prune.L1Unstructured, amount=11)


WAYS: dict[str, Prune] = {
    "l1": lambda lib, prune, m: prune.l1_unstructured(m[0], "weight", 0.3),
    "l1 of so many": lambda lib, prune, m: prune.l1_unstructured(m[0], name="bias", amount=2),
    "l1 by scores": lambda lib, prune, m: prune.l1_unstructured(
        m[3], "weight", 0.5, importance_scores=_scores(lib, (10, 16))
    ),
    "channels": lambda lib, prune, m: prune.ln_structured(m[0], "weight", 0.5, n=2, dim=0),
    "channels by the largest": lambda lib, prune, m: prune.ln_structured(
        m[0], name="weight", amount=1, n=float("inf"), dim=-1
    ),
    "nothing": lambda lib, prune, m: prune.identity(m[0], "weight"),
    "a mask": lambda lib, prune, m: prune.custom_from_mask(
        m[3], "weight", _scores(lib, (10, 16)) > 60
    ),
    "several times": lambda lib, prune, m: [
        prune.l1_unstructured(m[0], "weight", 0.2),
        prune.ln_structured(m[0], "weight", 0.5, 1, 0),
        prune.l1_unstructured(m[0], "weight", 3),
        prune.ln_structured(m[0], "weight", 1, 2, 0),
    ],
    "globally": _globally,
    "and removed": lambda lib, prune, m: [
        prune.l1_unstructured(m[0], "weight", 0.2),
        prune.l1_unstructured(m[3], "weight", 0.2),
        prune.remove(m[0], "weight"),
    ],
}


def _made(lib: Any) -> Any:
    return lib.nn.Sequential(
        lib.nn.Conv2d(1, 4, 3), lib.nn.ReLU(), lib.nn.Flatten(), lib.nn.Linear(16, 10)
    )


def _pair() -> tuple[Any, Any]:
    torch.manual_seed(0)
    theirs, ours = _made(torch), _made(npnet)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.mark.parametrize("way", WAYS)
def test_as_in_pytorch(way: str) -> None:
    """What is cut off, under which names; three steps leave it at zero, and train the rest."""
    models = ours, theirs = _pair()
    x = np.random.default_rng(0).standard_normal((5, 1, 4, 4), np.float32)
    for lib, m in zip((npnet, torch), models, strict=True):
        WAYS[way](lib, lib.nn.utils.prune, m)  # type: ignore[attr-defined]
        rule: Any = lib.optim.SGD(m.parameters(), lr=0.1)
        for _ in range(3):
            rule.zero_grad()
            m(lib.from_numpy(x)).square().mean().backward()
            rule.step()
        m(lib.from_numpy(x))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=0, atol=1e-6, err_msg=name)
    for m, t in zip(ours, theirs, strict=True):
        if hasattr(t, "weight"):
            np.testing.assert_allclose(m.weight.tolist(), t.weight.tolist(), rtol=0, atol=1e-6)
    assert npnet.nn.utils.prune.is_pruned(ours) == torch.nn.utils.prune.is_pruned(theirs)


@pytest.mark.parametrize("kind", ["unstructured", "structured"])
def test_any_are_cut_off(kind: str) -> None:
    npnet.manual_seed(1)
    layer = nn.Linear(8, 12)
    prune: Any = npnet.nn.utils.prune
    if kind == "unstructured":
        prune.random_unstructured(layer, "weight", 0.25)
        assert (layer.weight == 0).sum().item() == 24
    else:
        prune.random_structured(layer, "weight", 3, dim=0)
        assert (layer.weight == 0).all(dim=1).sum().item() == 3
        assert (layer.weight == 0).sum().item() == 24


def test_a_method_of_ones_own() -> None:
    class EveryOther(npnet.nn.utils.prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t: npnet.Tensor, default_mask: npnet.Tensor) -> npnet.Tensor:
            mask = default_mask.clone()
            mask.view(-1)[::2] = 0
            return mask

    layer = nn.Linear(4, 2)
    EveryOther.apply(layer, "weight")
    EveryOther.apply(layer, "weight")  # of what is left
    assert layer.weight_mask.tolist() == [[0, 0, 0, 1], [0, 0, 0, 1]]


WRONG: dict[str, Prune] = {
    "too many": lambda lib, prune, m: prune.l1_unstructured(m[0], "weight", 1000),
    "more than all": lambda lib, prune, m: prune.l1_unstructured(m[0], "weight", 1.5),
    "no number": lambda lib, prune, m: prune.l1_unstructured(m[0], "weight", "all"),
    "channels of a vector": lambda lib, prune, m: prune.ln_structured(m[0], "bias", 1, 2, 0),
    "no axis": lambda lib, prune, m: prune.ln_structured(m[0], "weight", 1, 2, 7),
    "not pruned": lambda lib, prune, m: prune.remove(m[0], "weight"),
    "channels globally": lambda lib, prune, m: prune.global_unstructured(
        [(m[0], "weight")], prune.LnStructured, amount=0.5, n=1
    ),
    "no parameter": lambda lib, prune, m: prune.l1_unstructured(m[1], "weight", 0.5),
}


@pytest.mark.parametrize("way", WRONG)
def test_what_is_refused_changes_nothing(way: str) -> None:
    ours, theirs = _pair()
    with pytest.raises(Exception) as expected:  # noqa: PT011  # whatever PyTorch raises
        WRONG[way](torch, torch.nn.utils.prune, theirs)
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    with pytest.raises(expected.type):
        WRONG[way](npnet, npnet.nn.utils.prune, ours)
    assert list(ours.state_dict()) == list(before)
    assert not any(m._forward_pre_hooks for m in ours.modules())


def test_an_optimizer_goes_on_with_the_parameter() -> None:
    ours, _ = _pair()
    prune: Any = npnet.nn.utils.prune
    weight = ours[0].weight
    rule = optim.SGD(ours.parameters(), lr=0.1)
    prune.l1_unstructured(ours[0], "weight", 0.5)
    assert ours[0].weight_orig is weight
    ours(npnet.ones(1, 1, 4, 4)).sum().backward()
    rule.step()
    prune.remove(ours[0], "weight")
    assert ours[0].weight is weight
