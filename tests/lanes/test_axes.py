"""Lanes of other axes than images and features: signals, and images taken apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import npnet
from npnet import nn
from npnet.lanes.layout import LanePart, Lanes
from npnet.tape import Layout
from npnet.tensor import Tensor

# Sums of some hundred float32 products, in another order than PyTorch's.
FLOAT32 = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture(autouse=True)
def _by_kernels(numba: None) -> None:
    pass


def images(channels: int = 8) -> Tensor:
    """Images in lanes."""
    y = nn.Conv2d(3, channels, 1)(npnet.randn(5, 3, 4, 6))
    assert isinstance(y.values, Lanes)
    return y


def shuffled(x: Any) -> Any:
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).permute(0, 2, 1, 3, 4).reshape(n, c, h, w)


def taken_apart(lib: Any, x: Any, conv: Any, norm: Any, conv1d: Any) -> Any:
    y = shuffled(conv(x))
    left, right = y[:, :4], y[:, 4:]
    pixels = lib.nn.functional.pixel_shuffle(lib.cat([left, lib.relu(right)], 1), 2)
    signals = lib.relu(norm(conv1d(y.flatten(2))))
    pooled = lib.nn.functional.max_pool1d(signals + 0.5 * signals, 2)
    return (pixels * pixels).sum() + (pooled * pooled).sum()


def test_signals_and_shuffles_have_torch_s_gradients() -> None:
    layers = (
        torch.nn.Conv2d(3, 8, 3, padding=1),
        torch.nn.BatchNorm1d(5),
        torch.nn.Conv1d(8, 5, 3, bias=False),
    )
    conv, norm, conv1d = (
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm1d(5),
        nn.Conv1d(8, 5, 3, bias=False),
    )
    ours = conv, norm, conv1d
    for layer, theirs in zip(ours, layers, strict=True):
        layer.load_state_dict(theirs.state_dict())
    array = np.random.default_rng(0).standard_normal((20, 3, 6, 6), dtype=np.float32)
    x, x_ref = npnet.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    taken_apart(npnet, x, *ours).backward()
    taken_apart(torch, x_ref, *layers).backward()
    np.testing.assert_allclose(x.grad, x_ref.grad, **FLOAT32)
    for layer, theirs in zip(ours, layers, strict=True):
        for p, p_ref in zip(layer.parameters(), theirs.parameters(), strict=True):
            np.testing.assert_allclose(p.grad, p_ref.grad, **FLOAT32)


def test_they_stay_in_lanes() -> None:
    x = images()
    y = shuffled(x)
    assert isinstance(y.values, Layout)
    signals = npnet.relu(nn.Conv1d(8, 4, 3)(y.flatten(2)))
    assert signals.shape == (5, 4, 22)
    assert isinstance(signals.values, Layout)
    assert isinstance(nn.BatchNorm1d(4)(signals).values, Layout)
    assert not isinstance(x.permute(0, 2, 3, 1).values, Layout)


def test_what_is_written_to_a_permuted_view_is_in_its_base() -> None:
    with npnet.no_grad():
        x = images()
        view = x.view(5, 2, 4, 4, 6).permute(0, 2, 1, 3, 4)
        assert isinstance(view.values, LanePart)
        copy, whole = view.clone(), view.reshape(5, 8, 4, 6)
        view[0, 0, 1, 2, 3] = 77.0
        assert x[0, 4, 2, 3].item() == 77.0
        assert 77.0 not in copy.numpy()
        assert 77.0 not in whole.numpy()
        copy.add_(1)
        np.testing.assert_array_equal(copy.numpy(), whole.view(5, 4, 2, 4, 6).numpy() + 1)
