"""The uniform distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet.distributions.distribution import Distribution, check_values, checked_parameters, shown
from npnet.ops.functions import log
from npnet.ops.shape import expand
from npnet.random import default_generator
from npnet.tensor import Tensor, as_tensor

__all__ = ["Uniform"]


class Uniform(Distribution):
    """1 / (high - low) from low to high, without high.

    Args:
        low, high: numbers or tensors, which are broadcast.
        validate_args: whether to check them and the argument of `log_prob`; default True.

    Raises:
        ValueError: low is not below high, or a value lies outside.

    Example:
        >>> uniform = npnet.distributions.Uniform(1.0, 5.0)
        >>> uniform.mean, uniform.log_prob(npnet.tensor(2.0)).exp()
        (tensor(3.), tensor(0.2500))
    """

    has_rsample = True

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self._validate = validate_args is not False
        self.low, self.high = checked_parameters("Uniform", self._validate, low=low, high=high)
        if self._validate:
            holds = self.low.array < self.high.array
            check_values("Uniform", "low must be below high", holds, self.low.array)
        self.batch_shape = self.low.shape

    @property
    def mean(self) -> Tensor:
        """(low + high) / 2."""
        return (self.low + self.high) / 2

    @property
    def variance(self) -> Tensor:
        """(high - low)**2 / 12."""
        width = self.high - self.low
        return width * width / 12

    @property
    def stddev(self) -> Tensor:
        """(high - low) / sqrt(12)."""
        return (self.high - self.low) / 12**0.5

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """low + u * (high - low), u drawn evenly from [0, 1)."""
        u = default_generator.numpy.random(self._sample_shape(sample_shape))
        return self.low + as_tensor(u).to(self.low.dtype) * (self.high - self.low)

    def log_prob(self, value: Any) -> Tensor:
        """-log(high - low); -inf outside, where values are not checked."""
        x = as_tensor(value)
        inside = (self.low.array <= x.array) & (x.array <= self.high.array)
        if self._validate:
            check_values("Uniform", "values must lie from low to high", inside, x.array)
        inside = inside & (x.array < self.high.array)
        density = as_tensor(np.asarray(inside)).to(self.low.dtype)
        return log(density) - expand(log(self.high - self.low), density.shape)

    def entropy(self) -> Tensor:
        """log(high - low), in nats."""
        return log(self.high - self.low)

    def __repr__(self) -> str:
        return f"Uniform(low: {shown(self.low)}, high: {shown(self.high)})"
