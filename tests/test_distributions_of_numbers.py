"""Normal, Uniform and Bernoulli against torch.distributions', and what samples are like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import npnet

RTOL, ATOL = 1e-10, 1e-12  # float64: a few logarithms, which may cancel
TRIGAMMA = 1e-8  # PyTorch's, which the gradient of Beta's entropy has, is off by 1e-9

RNG = np.random.default_rng(0)
A, B = RNG.standard_normal((3, 4)), RNG.random((4,)) + 0.5
P = RNG.random((3, 4)) * 0.9 + 0.05
CASES: dict[str, tuple[str, dict[str, Any], Any]] = {
    "normal": ("Normal", {"loc": A, "scale": B}, RNG.standard_normal((2, 3, 4))),
    "uniform": ("Uniform", {"low": A, "high": A + B}, A + 0.3 * B),
    "bernoulli": ("Bernoulli", {"probs": P}, (P > 0.4) * 1.0),
    "beta": ("Beta", {"concentration1": P + 0.5, "concentration0": B}, P),
    "exponential": ("Exponential", {"rate": B}, P),
    "laplace": ("Laplace", {"loc": A, "scale": B}, RNG.standard_normal((2, 3, 4))),
    "bernoulli of logits": ("Bernoulli", {"logits": A}, (P > 0.4) * 1.0),
}


def both(name: str, parameters: dict[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
    """The distribution and its parameters in each library."""
    found = []
    for lib, make in ((npnet, npnet.tensor), (torch, torch.tensor)):
        own = {k: make(v, requires_grad=True) for k, v in parameters.items()}
        found.append((getattr(lib.distributions, name)(**own), own))
    return found


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients(case: str) -> None:
    name, parameters, value = CASES[case]
    (ours, mine), (theirs, their) = both(name, parameters)
    assert ours.batch_shape == tuple(theirs.batch_shape)
    for attribute in ("mean", "variance", "stddev"):
        if hasattr(ours, attribute):
            a, b = getattr(ours, attribute), getattr(theirs, attribute)
            np.testing.assert_allclose(a.detach().numpy(), b.detach(), RTOL, ATOL)
    total, expected = ours.entropy().sum(), theirs.entropy().sum()
    a, b = ours.log_prob(npnet.tensor(value)), theirs.log_prob(torch.tensor(value))
    np.testing.assert_allclose(a.detach().numpy(), b.detach(), RTOL, ATOL)
    (total + (a * a).sum()).backward()
    (expected + (b * b).sum()).backward()
    atol = TRIGAMMA if name == "Beta" else ATOL
    for key in parameters:
        np.testing.assert_allclose(mine[key].grad.numpy(), their[key].grad, RTOL, atol)
    if name in ("Normal", "Exponential"):
        x = npnet.tensor(value), torch.tensor(value)
        np.testing.assert_allclose(ours.cdf(x[0]).detach(), theirs.cdf(x[1]).detach(), 1e-9, 1e-9)


@pytest.mark.parametrize("case", CASES)
def test_samples(case: str) -> None:
    name, parameters, _ = CASES[case]
    npnet.manual_seed(0)
    (ours, mine), (theirs, _) = both(name, parameters)
    draw = ours.sample((20_000,))
    assert draw.shape == (20_000, *ours.batch_shape)
    assert not draw.requires_grad
    spread = theirs.variance.detach().numpy()
    bound = 5 * np.sqrt(spread / 20_000)  # five standard errors
    assert np.all(np.abs(draw.numpy().mean(0) - theirs.mean.detach().numpy()) < bound)
    np.testing.assert_allclose(draw.numpy().var(0), spread, rtol=0.1)
    if ours.has_rsample:
        ours.rsample((2,)).sum().backward()
        first = next(iter(parameters))
        assert np.all(mine[first].grad.numpy() != 0)


@pytest.mark.parametrize("case", [*CASES, "categorical"])
def test_divergences(case: str) -> None:
    if case == "categorical":
        name, first, second = "Categorical", {"logits": A}, {"logits": A[::-1].copy()}
    else:
        name, first, _ = CASES[case]
        second = {k: v * 0.9 for k, v in first.items()}
        if name == "Uniform":
            second = {"low": first["low"] - 1, "high": first["high"] + (A > 0) - 0.1}
    pairs = [both(name, parameters) for parameters in (first, second)]
    ours = npnet.distributions.kl_divergence(pairs[0][0][0], pairs[1][0][0])
    theirs = torch.distributions.kl_divergence(pairs[0][1][0], pairs[1][1][0])
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach(), 1e-9, 1e-10)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_independent(count: int) -> None:
    (base, mine), (base_ref, their) = both("Normal", {"loc": A, "scale": B})
    ours = npnet.distributions.Independent(base, count)
    theirs = torch.distributions.Independent(base_ref, count)
    assert ours.batch_shape == tuple(theirs.batch_shape)
    assert ours.event_shape == tuple(theirs.event_shape)
    assert ours.has_rsample
    value = RNG.standard_normal((2, 3, 4))
    a, b = ours.log_prob(npnet.tensor(value)), theirs.log_prob(torch.tensor(value))
    np.testing.assert_allclose(a.detach(), b.detach(), RTOL, ATOL)
    np.testing.assert_allclose(ours.entropy().detach(), theirs.entropy().detach(), RTOL, ATOL)
    (a * a).sum().backward()
    (b * b).sum().backward()
    np.testing.assert_allclose(mine["loc"].grad, their["loc"].grad, RTOL, ATOL)
    assert ours.rsample((5,)).shape == (5, 3, 4)
    assert not ours.sample().requires_grad
    others = [
        ns.distributions.Independent(ns.distributions.Normal(ns.zeros(3, 4), ns.ones(4)), count)
        for ns in (npnet, torch)
    ]
    apart = npnet.distributions.kl_divergence(ours, others[0])
    expected = torch.distributions.kl_divergence(theirs, others[1])
    np.testing.assert_allclose(apart.detach(), expected.detach(), 1e-6, 1e-6)
    with pytest.raises(ValueError, match="from 0 to"):
        npnet.distributions.Independent(base, 3)


def test_numbers_as_parameters() -> None:
    normal = npnet.distributions.Normal(0, 1)
    assert normal.sample().shape == ()
    assert normal.sample().dtype == npnet.float32
    assert repr(normal) == repr(torch.distributions.Normal(0, 1))
    for ns in (npnet, torch):
        assert repr(ns.distributions.Laplace(0.0, 1.0)) == "Laplace(loc: 0.0, scale: 1.0)"
        assert repr(ns.distributions.Exponential(2.0)) == "Exponential(rate: 2.0)"
        assert repr(ns.distributions.Beta(2.0, 1.0)) == "Beta()"
        assert ns.distributions.beta.Beta is ns.distributions.Beta
    assert normal.prob(0.0).item() == pytest.approx(0.39894, rel=1e-4)


def test_what_is_refused() -> None:
    d = npnet.distributions
    for wrong, message in (
        (lambda: d.Normal(0.0, -1.0), "scale must be > 0"),
        (lambda: d.Normal(float("nan"), 1.0), "loc must not be NaN"),
        (lambda: d.Uniform(1.0, 1.0), "low must be below high"),
        (lambda: d.Uniform(0.0, 1.0).log_prob(2.0), "values must lie from low to high"),
        (lambda: d.Beta(0.0, 1.0), "concentrations must be > 0"),
        (lambda: d.Beta(1.0, 1.0).log_prob(1.5), "values must lie from 0 to 1"),
        (lambda: d.Exponential(-1.0), "rate must be > 0"),
        (lambda: d.Exponential(1.0).log_prob(-1.0), "values must be >= 0"),
        (lambda: d.Laplace(0.0, 0.0), "scale must be > 0"),
        (lambda: d.Bernoulli(1.5), r"probs must lie in \[0, 1\]"),
        (lambda: d.Bernoulli(0.5, 0.5), "exactly one of probs and logits is needed, got both"),
        (lambda: d.Bernoulli(0.5).log_prob(0.5), "values must be 0 or 1"),
    ):
        with pytest.raises(ValueError, match=message):
            wrong()
    with pytest.raises(NotImplementedError, match="no rsample"):
        d.Bernoulli(0.5).rsample()
    with pytest.raises(NotImplementedError, match="no formula for Normal and Uniform"):
        d.kl_divergence(d.Normal(0, 1), d.Uniform(0, 1))
