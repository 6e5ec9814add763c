"""How far one distribution is from another."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.distributions.bernoulli import Bernoulli
from npnet.distributions.categorical import Categorical
from npnet.distributions.normal import Normal
from npnet.distributions.uniform import Uniform
from npnet.ops.choices import where
from npnet.ops.functions import log
from npnet.ops.smooth import softplus
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = ["kl_divergence"]


def kl_divergence(p: Any, q: Any) -> Tensor:
    """The sum, or integral, of p * log(p / q), in nats, for each place of the batch.

    Of two Normals, Bernoullis, Categoricals or Uniforms.

    Raises:
        NotImplementedError: there is no formula for these two.
    """
    if isinstance(p, Normal) and isinstance(q, Normal):
        ratio, shift = p.scale / q.scale, (p.loc - q.loc) / q.scale
        return (ratio * ratio + shift * shift - 1) / 2 - log(ratio)
    if isinstance(p, Bernoulli) and isinstance(q, Bernoulli):
        # p log(p/q) + (1-p) log((1-p)/(1-q)), with log(1-p) = -softplus(logits)
        change = softplus(q.logits) - softplus(p.logits)
        return p.probs * (p.logits - q.logits) + change
    if isinstance(p, Categorical) and isinstance(q, Categorical):
        return (p.probs * (p.logits - q.logits)).sum(-1)
    if isinstance(p, Uniform) and isinstance(q, Uniform):
        apart = log((q.high - q.low) / (p.high - p.low))
        outside = (q.low.array > p.low.array) | (q.high.array < p.high.array)
        infinite = result(np.full_like(apart.array, np.inf))
        return where(result(np.asarray(outside)), infinite, apart)
    raise NotImplementedError(
        f"kl_divergence: no formula for {type(p).__name__} and {type(q).__name__}; the mean of "
        "p.log_prob(x) - q.log_prob(x) over samples x of p estimates it"
    )
