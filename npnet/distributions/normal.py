"""The normal distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from npnet.distributions._location_scale import LocationScale
from npnet.ops.functions import log
from npnet.ops.special import erf
from npnet.random import default_generator
from npnet.tensor import Tensor, as_tensor

__all__ = ["Normal"]


class Normal(LocationScale):
    """exp(-((x - loc) / scale)**2 / 2) / (scale * sqrt(2 pi)).

    Args:
        loc: the mean; a number or a tensor.
        scale: the standard deviation, > 0; broadcast with it.
        validate_args: whether to check them; default True.

    Raises:
        ValueError: scale is not > 0, or one of them is NaN.

    Example:
        >>> normal = npnet.distributions.Normal(npnet.tensor([0.0, 5.0]), 2.0)
        >>> normal.sample((100,)).shape, normal.variance
        ((100, 2), tensor([4., 4.]))
        >>> normal.log_prob(npnet.tensor([0.0, 5.0])).round(decimals=2)
        tensor([-1.6100, -1.6100])
    """

    @property
    def stddev(self) -> Tensor:
        """scale."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """scale**2."""
        return self.scale * self.scale

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """loc + scale * z, z drawn from the standard normal distribution."""
        z = default_generator.numpy.standard_normal(self._sample_shape(sample_shape))
        return self.loc + self.scale * as_tensor(z).to(self.loc.dtype)

    def log_prob(self, value: Any) -> Tensor:
        """-((x - loc) / scale)**2 / 2 - log(scale) - log(2 pi) / 2."""
        z = (as_tensor(value) - self.loc) / self.scale
        return -(z * z) / 2 - log(self.scale) - math.log(2 * math.pi) / 2

    def cdf(self, value: Any) -> Tensor:
        """The share below a value."""
        z = (as_tensor(value) - self.loc) / (self.scale * math.sqrt(2))
        return (erf(z) + 1) / 2

    def entropy(self) -> Tensor:
        """1/2 + log(2 pi) / 2 + log(scale), in nats."""
        return log(self.scale) + (0.5 + math.log(2 * math.pi) / 2)
