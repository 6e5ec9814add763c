"""Dropout in lanes: the masks of NumPy's path, on values and on whole channels of any shape."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import npnet
from npnet import Tensor
from npnet.nn import functional as F

# x * (1 / (1 - p)) is one product in float32, in lanes as by NumPy; what comes before is a
# convolution or product of a few terms, added up in another order.
ROUNDING = 1e-6

IMAGES, FEATURES = (3, 9, 8), (20,)


def convolved(x: Tensor) -> Tensor:
    return F.conv2d(x, npnet.full((5, 3, 2, 2), 0.1))


def mapped(x: Tensor) -> Tensor:
    return F.linear(x, npnet.full((12, 20), 0.1))


def convolved_signals(x: Tensor) -> Tensor:
    return F.conv1d(x, npnet.full((5, 3, 2), 0.1))


ROWS: dict[str, tuple[tuple[int, ...], Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "values": (IMAGES, convolved, lambda x: F.dropout(x, 0.3)),
    "nearly all": (IMAGES, convolved, lambda x: F.dropout(x, 0.95)),
    "all": (IMAGES, convolved, lambda x: F.dropout(x, 1.0)),
    "channels": (IMAGES, convolved, lambda x: F.dropout2d(x, 0.4)),
    "features": (FEATURES, mapped, lambda x: F.dropout(x, 0.5)),
    "samples": (FEATURES, mapped, lambda x: F.dropout1d(x, 0.5)),
    "channels of signals": ((3, 9), convolved_signals, lambda x: F.dropout1d(x, 0.5)),
    "in place": (IMAGES, convolved, lambda x: F.dropout(x + 0, 0.3, inplace=True)),
    # a batch of volumes' planes, taken as one volume: its first axis is that of channels
    "one volume": (IMAGES, convolved, lambda x: F.dropout3d(x, 0.5)),
}


@pytest.mark.parametrize("n", [3, 16, 35])
@pytest.mark.parametrize("name", ROWS)
def test_as_by_numpy(name: str, n: int) -> None:
    shape, before, drop = ROWS[name]
    values = np.random.default_rng(n).standard_normal((n, *shape), np.float32)
    found = []
    for backend in ("numba", "numpy"):
        npnet.set_backend(backend)
        npnet.manual_seed(5)
        x = npnet.tensor(values, requires_grad=True)
        y = drop(before(x))
        y.square().sum().backward()
        assert x.grad is not None
        found.append([y.detach().numpy(), x.grad.numpy(), np.asarray(npnet.rand(1).item())])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=ROUNDING * max(1, np.abs(b).max()))
    if n > 3:
        assert (found[0][0] == 0).any()


def test_a_channel_is_there_or_not() -> None:
    y = F.dropout2d(convolved(npnet.ones(40, *IMAGES)), 0.4).numpy()
    of_channel = y.reshape(200, -1)
    assert (of_channel == of_channel[:, :1]).all()
    kept = of_channel[:, 0] != 0
    assert 0 < kept.sum() < 200
    np.testing.assert_allclose(of_channel[kept], 1.2 / 0.6, rtol=ROUNDING)
