"""checkpoint: the same values and gradients as without it, computed twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import npnet
from npnet import nn
from npnet.utils.checkpoint import checkpoint, checkpoint_sequential


def made() -> nn.Sequential:
    npnet.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 2))


def gradients(net: nn.Sequential, run: Any, *, wants: bool) -> list[np.ndarray[Any, Any]]:
    npnet.manual_seed(1)
    x = npnet.randn(6, 4).requires_grad_(wants)
    y = run(net, x)
    (y * npnet.arange(12.0).reshape(6, 2)).sum().backward()
    after = npnet.rand(1)
    found = [p.grad for p in net.parameters()] + ([x.grad] if wants else [])
    return [y.detach().numpy(), *(g.numpy() for g in found), after.numpy()]


@pytest.mark.parametrize("wants", [True, False])
@pytest.mark.parametrize(
    "run",
    [
        lambda net, x: checkpoint(net, x, use_reentrant=False),
        lambda net, x: checkpoint(lambda a, b: (net(a) * b, 7)[0], x, 1),
        lambda net, x: checkpoint_sequential(net, 2, x, use_reentrant=True),
    ],
)
def test_gradients_are_those_without(run: Any, wants: bool) -> None:
    plain = gradients(made(), lambda net, x: net(x), wants=wants)
    for a, b in zip(gradients(made(), run, wants=wants), plain, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_function_is_called_again_on_the_way_back() -> None:
    calls: list[bool] = []

    def function(x: npnet.Tensor) -> npnet.Tensor:
        calls.append(npnet.is_grad_enabled())
        return x * x

    x = npnet.tensor([3.0], requires_grad=True)
    y = checkpoint(function, x)
    assert calls == [False]
    y.backward()
    assert calls == [False, True]
    assert x.grad is not None
    assert x.grad.item() == 6
    with npnet.no_grad():
        assert not checkpoint(function, x).requires_grad
