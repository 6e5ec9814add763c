"""Probability distributions: the names of `torch.distributions`."""

from npnet.distributions.bernoulli import Bernoulli
from npnet.distributions.categorical import Categorical
from npnet.distributions.distribution import Distribution
from npnet.distributions.kl import kl_divergence
from npnet.distributions.normal import Normal
from npnet.distributions.uniform import Uniform

__all__ = ["Bernoulli", "Categorical", "Distribution", "Normal", "Uniform", "kl_divergence"]
