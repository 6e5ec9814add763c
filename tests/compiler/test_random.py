"""Programs of random networks against the eager loop: shapes, strides, pools, batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import npnet
from npnet import nn, optim
from npnet.compiler import EagerStep
from npnet.nn import functional as F

# Sums of a few hundred terms in another order.
FLOAT32 = 5e-6

# Of norms: beside it no variance is small, and no gradient is a difference of equal numbers.
EPS = 1.0

ACTIVATIONS = (
    nn.ReLU, nn.Tanh, nn.Sigmoid, nn.LeakyReLU, nn.ELU, nn.SiLU, nn.Hardswish, nn.PReLU,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _direct(numba: None) -> None:
    npnet.set_winograd(False)  # with it, wide layers have no program


@st.composite
def norms(draw: st.DrawFn, channels: int) -> list[nn.Module]:
    """Of images of so many channels, none or one."""
    affine = draw(st.booleans())
    groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    norm = nn.GroupNorm(groups, channels, eps=EPS, affine=affine)
    return draw(st.sampled_from([[], [norm]]))


@st.composite
def networks(draw: st.DrawFn) -> tuple[nn.Module, tuple[int, ...]]:
    """Convolution, activation, pool, convolution, activation, linear; and the shape of images."""
    number, kernel = st.integers(1, 20), st.tuples(st.integers(1, 4), st.integers(1, 4))
    channels, width, outputs = draw(number), draw(number), draw(number)
    size = draw(st.integers(9, 14)), draw(st.integers(9, 14))
    pool = draw(st.sampled_from([nn.AvgPool2d, nn.MaxPool2d]))(draw(st.integers(1, 3)))
    first = draw(st.sampled_from([nn.Conv2d, nn.ConvTranspose2d]))
    norm = draw(norms(width))
    options: Any = {"stride": draw(st.integers(1, 2)), "padding": draw(st.integers(0, 1))}
    layers: list[nn.Module] = [
        first(channels, width, draw(kernel), **options, bias=not norm),
        *norm,
        draw(st.sampled_from([*ACTIVATIONS, lambda: nn.PReLU(width)]))(),
        pool,
        nn.Conv2d(width, outputs, 1, bias=draw(st.booleans())),
        draw(st.sampled_from(ACTIVATIONS))(),
        nn.AdaptiveAvgPool2d(draw(st.integers(1, 2))),
        nn.Flatten(),
    ]
    with npnet.no_grad():
        features = nn.Sequential(*layers)(npnet.zeros(2, channels, *size)).shape[1]
    return nn.Sequential(*layers, nn.Linear(features, 5)), (channels, *size)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(networks(), st.integers(1, 40), st.integers(0, 2**31))
def test_as_the_eager_loop(network: tuple[nn.Module, tuple[int, ...]], n: int, seed: int) -> None:
    model, shape = network
    rng = np.random.default_rng(seed)
    x = npnet.from_numpy(rng.standard_normal((n, *shape), dtype=np.float32))
    y = npnet.from_numpy(rng.integers(0, 5, n))
    rule = optim.SGD(model.parameters(), lr=0.1)
    step = npnet.compile(model, F.cross_entropy, rule)
    results = []
    for way in (EagerStep(model, F.cross_entropy, rule), step):
        loss = way.gradients(x, y)
        assert way.output is not None
        gradients = [p.grad.numpy().copy() for p in model.parameters()]  # type: ignore[union-attr]
        results.append([loss.numpy(), way.output.numpy(), *gradients])
    assert step.fallback is None
    # before a norm gradients have no mean: a weight's is a difference of such as the largest are
    normed = any(isinstance(m, nn.GroupNorm) for m in model)
    least = max([np.abs(g).max() for g in results[0][2:]]) if normed else 0.0
    for want, got in zip(*results, strict=True):
        scale = max(np.abs(want).max(), least)
        np.testing.assert_allclose(got, want, rtol=0, atol=FLOAT32 * scale)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(networks(), st.integers(1, 40), st.integers(0, 2**31))
def test_inference(network: tuple[nn.Module, tuple[int, ...]], n: int, seed: int) -> None:
    model, shape = network
    rng = np.random.default_rng(seed)
    x = npnet.from_numpy(rng.standard_normal((n, *shape), dtype=np.float32))
    compiled = npnet.compile(model)
    with npnet.no_grad():
        want, got = model(x).numpy(), compiled(x).numpy()
    assert compiled.fallback is None
    np.testing.assert_allclose(got, want, rtol=0, atol=FLOAT32 * np.abs(want).max())
