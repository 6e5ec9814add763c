"""Probability distributions: the names of `torch.distributions`."""

from npnet.distributions.bernoulli import Bernoulli
from npnet.distributions.beta import Beta
from npnet.distributions.categorical import Categorical
from npnet.distributions.distribution import Distribution
from npnet.distributions.exponential import Exponential
from npnet.distributions.independent import Independent
from npnet.distributions.kl import kl_divergence
from npnet.distributions.laplace import Laplace
from npnet.distributions.normal import Normal
from npnet.distributions.uniform import Uniform

__all__ = [
    "Bernoulli",
    "Beta",
    "Categorical",
    "Distribution",
    "Exponential",
    "Independent",
    "Laplace",
    "Normal",
    "Uniform",
    "kl_divergence",
]
