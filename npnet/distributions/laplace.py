"""The Laplace distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from npnet.distributions._location_scale import LocationScale
from npnet.ops.functions import abs as absolute
from npnet.ops.functions import log
from npnet.random import default_generator
from npnet.tensor import Tensor, as_tensor

__all__ = ["Laplace"]


class Laplace(LocationScale):
    """exp(-|x - loc| / scale) / (2 * scale).

    Args:
        loc: the mean; a number or a tensor.
        scale: > 0; broadcast with it.
        validate_args: whether to check them; default True.

    Raises:
        ValueError: scale is not > 0, or one of them is NaN.

    Example:
        >>> laplace = npnet.distributions.Laplace(loc=0.0, scale=0.5)
        >>> laplace.log_prob(npnet.tensor(0.0)), laplace.variance
        (tensor(-0.), tensor(0.5000))
    """

    @property
    def variance(self) -> Tensor:
        """2 * scale**2."""
        return 2 * self.scale * self.scale

    @property
    def stddev(self) -> Tensor:
        """sqrt(2) * scale."""
        return self.scale * math.sqrt(2)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """loc + scale * z, z drawn from the distribution of loc 0 and scale 1."""
        z = default_generator.numpy.laplace(size=self._sample_shape(sample_shape))
        return self.loc + self.scale * as_tensor(z).to(self.loc.dtype)

    def log_prob(self, value: Any) -> Tensor:
        """-log(2 * scale) - |x - loc| / scale."""
        return -log(2 * self.scale) - absolute(as_tensor(value) - self.loc) / self.scale

    def entropy(self) -> Tensor:
        """1 + log(2 * scale), in nats."""
        return 1 + log(2 * self.scale)
