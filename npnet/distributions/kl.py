"""How far one distribution is from another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from npnet.distributions.bernoulli import Bernoulli
from npnet.distributions.beta import Beta, log_beta
from npnet.distributions.categorical import Categorical
from npnet.distributions.exponential import Exponential
from npnet.distributions.independent import Independent
from npnet.distributions.laplace import Laplace
from npnet.distributions.normal import Normal
from npnet.distributions.uniform import Uniform
from npnet.ops.choices import where
from npnet.ops.functions import abs as absolute
from npnet.ops.functions import exp, log
from npnet.ops.smooth import softplus
from npnet.ops.special import digamma
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = ["kl_divergence"]


def _of_normals(p: Normal, q: Normal) -> Tensor:
    ratio, shift = p.scale / q.scale, (p.loc - q.loc) / q.scale
    return (ratio * ratio + shift * shift - 1) / 2 - log(ratio)


def _of_bernoullis(p: Bernoulli, q: Bernoulli) -> Tensor:
    """p log(p/q) + (1-p) log((1-p)/(1-q)), with log(1-p) = -softplus(logits)."""
    change = softplus(q.logits) - softplus(p.logits)
    return p.probs * (p.logits - q.logits) + change


def _of_categoricals(p: Categorical, q: Categorical) -> Tensor:
    return (p.probs * (p.logits - q.logits)).sum(-1)


def _of_uniforms(p: Uniform, q: Uniform) -> Tensor:
    apart = log((q.high - q.low) / (p.high - p.low))
    outside = (q.low.array > p.low.array) | (q.high.array < p.high.array)
    infinite = result(np.full_like(apart.array, np.inf))
    return where(result(np.asarray(outside)), infinite, apart)


def _of_laplaces(p: Laplace, q: Laplace) -> Tensor:
    ratio, apart = p.scale / q.scale, absolute(p.loc - q.loc)
    return apart / q.scale + ratio * exp(-apart / p.scale) - log(ratio) - 1


def _of_exponentials(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - log(ratio) - 1


def _of_betas(p: Beta, q: Beta) -> Tensor:
    a, b = p.concentration1, p.concentration0
    other_a, other_b = q.concentration1, q.concentration0
    rest = log_beta(other_a, other_b) - log_beta(a, b)
    total = (other_a - a + other_b - b) * digamma(a + b)
    return rest + (a - other_a) * digamma(a) + (b - other_b) * digamma(b) + total


def _of_independents(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError(
            "kl_divergence: two Independents must have as many axes of a sample, got "
            f"{p.reinterpreted_batch_ndims} and {q.reinterpreted_batch_ndims}"
        )
    return p.summed(kl_divergence(p.base_dist, q.base_dist))


_FORMULAS: dict[type[Any], Callable[..., Tensor]] = {
    Normal: _of_normals,
    Bernoulli: _of_bernoullis,
    Categorical: _of_categoricals,
    Uniform: _of_uniforms,
    Laplace: _of_laplaces,
    Exponential: _of_exponentials,
    Beta: _of_betas,
    Independent: _of_independents,
}


def kl_divergence(p: Any, q: Any) -> Tensor:
    """The sum, or integral, of p * log(p / q), in nats, for each place of the batch.

    Of two Normals, Bernoullis, Categoricals, Uniforms, Laplaces, Exponentials or Betas, or of two
    Independents of those.

    Raises:
        NotImplementedError: there is no formula for these two.

    Example:
        >>> p, q = npnet.distributions.Normal(0.0, 1.0), npnet.distributions.Normal(2.0, 1.0)
        >>> npnet.distributions.kl_divergence(p, q)
        tensor(2.)
    """
    for kind, formula in _FORMULAS.items():
        if isinstance(p, kind) and isinstance(q, kind):
            return formula(p, q)
    raise NotImplementedError(
        f"kl_divergence: no formula for {type(p).__name__} and {type(q).__name__}; the mean of "
        "p.log_prob(x) - q.log_prob(x) over samples x of p estimates it"
    )
