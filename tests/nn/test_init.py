"""Initialisation: bounds, deviations and shapes of the distributions are PyTorch's."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import npnet
from npnet import nn
from npnet.base.arrays import Array

# How far the largest gap between two empirical distribution functions of n and m values may be:
# it exceeds c * sqrt(1/n + 1/m) once in 2 * 10^5 draws for c = 2.5 (Kolmogorov-Smirnov).
KS = 2.5


def gap(a: Array, b: Array) -> float:
    """The largest distance between two empirical distribution functions, over what is expected."""
    both = np.sort(np.concatenate([a, b]))
    ecdf = [np.searchsorted(np.sort(s), both, "right") / s.size for s in (a, b)]
    return float(np.abs(ecdf[0] - ecdf[1]).max() / math.sqrt(1 / a.size + 1 / b.size))


@pytest.fixture(autouse=True)
def _seeds() -> None:
    npnet.manual_seed(0)
    torch.manual_seed(0)


def assert_same_distribution(ours: Any, theirs: Any) -> None:
    a, b = ours.detach().numpy().ravel(), theirs.detach().numpy().ravel()
    assert a.dtype == b.dtype
    assert gap(a.astype(float), b.astype(float)) < KS


LAYERS: dict[str, Callable[[Any], Any]] = {
    "Linear": lambda n: n.Linear(300, 200),
    "Linear without bias": lambda n: n.Linear(200, 300, bias=False),
    "Conv2d": lambda n: n.Conv2d(24, 200, (3, 5)),
    "Conv2d in groups": lambda n: n.Conv2d(64, 256, 3, groups=4),
    "Conv2d, float64": lambda n: n.Conv2d(
        16, 200, 5, dtype={"npnet.nn": npnet, "torch.nn": torch}[n.__name__].float64
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_default_initialisation(name: str) -> None:
    ours, theirs = LAYERS[name](nn), LAYERS[name](torch.nn)
    fan_in = math.prod(ours.weight.shape[1:])
    bound = 1 / math.sqrt(fan_in)
    weight = ours.weight.array
    assert_same_distribution(ours.weight, theirs.weight)
    assert np.abs(weight).max() <= np.float32(bound)
    assert np.abs(weight).max() > 0.999 * bound
    assert_allclose(weight.std(), bound / math.sqrt(3), rtol=0.02)
    if ours.bias is not None:
        assert_same_distribution(ours.bias, theirs.bias)
        assert 0.9 * bound < np.abs(ours.bias.array).max() <= np.float32(bound)


@pytest.mark.parametrize("name", ["BatchNorm1d", "BatchNorm2d", "GroupNorm", "LayerNorm"])
def test_norms_begin_with_one_and_zero(name: str) -> None:
    layer = nn.GroupNorm(1, 5) if name == "GroupNorm" else getattr(nn, name)(5)
    assert layer.weight.tolist() == [1.0] * 5
    assert layer.bias.tolist() == [0.0] * 5


def test_a_seed_makes_the_same_weights_again() -> None:
    npnet.manual_seed(5)
    first = nn.Conv2d(3, 4, 3).weight.tolist()
    assert nn.Conv2d(3, 4, 3).weight.tolist() != first
    npnet.manual_seed(5)
    assert nn.Conv2d(3, 4, 3).weight.tolist() == first


DRAWS: dict[str, Callable[[Any, Any], Any]] = {
    "uniform_": lambda i, w: i.uniform_(w, -2, 3),
    "normal_": lambda i, w: i.normal_(w, 1, 0.5),
    "trunc_normal_": lambda i, w: i.trunc_normal_(w, 0.5, 1.0, -0.5, 1.0),
    "xavier_uniform_": lambda i, w: i.xavier_uniform_(w, gain=2),
    "xavier_normal_": lambda i, w: i.xavier_normal_(w, gain=2),
    "kaiming_uniform_": lambda i, w: i.kaiming_uniform_(w, a=0.3),
    "kaiming_normal_": lambda i, w: i.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"),
    "orthogonal_": lambda i, w: i.orthogonal_(w, gain=3),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws_are_torch_s(name: str) -> None:
    ours, theirs = npnet.empty(64, 16, 5, 4), torch.empty(64, 16, 5, 4)
    ours.requires_grad_()
    assert DRAWS[name](nn.init, ours) is ours
    DRAWS[name](torch.nn.init, theirs)
    assert_same_distribution(ours, theirs)
    assert ours.is_leaf
    assert ours.requires_grad


@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (5, 2, 3)])
def test_orthogonal_rows_or_columns(shape: tuple[int, ...]) -> None:
    w = nn.init.orthogonal_(npnet.empty(*shape, dtype=npnet.float64), gain=2).array
    w = w.reshape(shape[0], -1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-12)


def test_constants() -> None:
    assert nn.init.constant_(npnet.empty(2), 0.3).tolist() == pytest.approx([0.3, 0.3])
    assert nn.init.ones_(npnet.empty(2)).tolist() == [1.0, 1.0]
    assert nn.init.zeros_(npnet.empty(2)).tolist() == [0.0, 0.0]
    assert nn.init.eye_(npnet.empty(2, 3)).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


def test_a_generator_of_one_s_own() -> None:
    def draw(seed: int) -> Any:
        generator = npnet.Generator().manual_seed(seed)
        return nn.init.kaiming_uniform_(npnet.empty(3, 3), generator=generator).tolist()

    assert draw(1) == draw(1) != draw(2)


@pytest.mark.parametrize(
    "arguments",
    [("linear",), ("conv2d",), ("sigmoid",), ("tanh",), ("relu",), ("selu",), ("leaky_relu", 0.2)],
)
def test_gains_are_torch_s(arguments: tuple[Any, ...]) -> None:
    assert nn.init.calculate_gain(*arguments) == torch.nn.init.calculate_gain(*arguments)


def test_what_can_not_be_is_refused() -> None:
    with pytest.raises(ValueError, match="did you mean 'relu'"):
        nn.init.calculate_gain("relo")
    with pytest.raises(ValueError, match="at least 2 axes"):
        nn.init.xavier_uniform_(npnet.empty(3))
    with pytest.raises(ValueError, match="mode must be fan_in or fan_out"):
        nn.init.kaiming_normal_(npnet.empty(3, 3), mode="fan")
    with pytest.raises(ValueError, match="2 axes"):
        nn.init.eye_(npnet.empty(3))


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.default, p.kind) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (m, n)
        for m in ("init", "utils")
        for n in getattr(nn, m).__all__
        if not inspect.ismodule(getattr(getattr(nn, m), n))
    ],
)
def test_signatures_are_torch_s(module: str, name: str) -> None:
    theirs = getattr(getattr(torch.nn, module), name)
    assert parameters(getattr(getattr(nn, module), name)) == parameters(theirs)


@pytest.mark.parametrize("size", [(3, 5), (4, 3, 2, 2), (2, 3, 7)])
def test_fans_are_pytorchs(size: tuple[int, ...]) -> None:
    ours, theirs = npnet.zeros(size), torch.zeros(size)
    fans = nn.init._calculate_fan_in_and_fan_out(ours)
    assert fans == torch.nn.init._calculate_fan_in_and_fan_out(theirs)
    for mode in ("fan_in", "FAN_OUT"):
        fan = nn.init._calculate_correct_fan(ours, mode)
        assert fan == torch.nn.init._calculate_correct_fan(theirs, mode)
    with pytest.raises(ValueError, match="fan_in or fan_out"):
        nn.init._calculate_correct_fan(ours, "fan")
    with pytest.raises(ValueError, match="at least 2 axes"):
        nn.init._calculate_fan_in_and_fan_out(npnet.zeros(3))
