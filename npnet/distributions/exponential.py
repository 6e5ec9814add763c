"""The exponential distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from npnet.distributions.distribution import Distribution, check_values, checked_parameters
from npnet.ops.functions import exp, log
from npnet.random import default_generator
from npnet.tensor import Tensor, as_tensor

__all__ = ["Exponential"]


class Exponential(Distribution):
    """rate * exp(-rate * x) from 0 on.

    Args:
        rate: a number or a tensor > 0.
        validate_args: whether to check it and the argument of `log_prob`; default True.

    Raises:
        ValueError: rate is not > 0, or a value is negative.

    Example:
        >>> waiting = npnet.distributions.Exponential(rate=4.0)
        >>> waiting.mean, bool((waiting.sample((100,)) >= 0).all())
        (tensor(0.2500), True)
    """

    has_rsample = True

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        self._validate = validate_args is not False
        [self.rate] = checked_parameters("Exponential", self._validate, rate=rate)
        if self._validate:
            array = self.rate.array
            check_values("Exponential", "rate must be > 0", array > 0, array)
        self.batch_shape = self.rate.shape

    @property
    def mean(self) -> Tensor:
        """1 / rate."""
        return 1 / self.rate

    stddev = mean

    @property
    def variance(self) -> Tensor:
        """1 / rate**2."""
        return 1 / (self.rate * self.rate)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """z / rate, z drawn from the distribution of rate 1."""
        z = default_generator.numpy.standard_exponential(self._sample_shape(sample_shape))
        return as_tensor(z).to(self.rate.dtype) / self.rate

    def log_prob(self, value: Any) -> Tensor:
        """log(rate) - rate * x."""
        x = as_tensor(value)
        if self._validate:
            check_values("Exponential", "values must be >= 0", x.array >= 0, x.array)
        return log(self.rate) - self.rate * x

    def cdf(self, value: Any) -> Tensor:
        """The share below a value, 1 - exp(-rate * x)."""
        return 1 - exp(-self.rate * as_tensor(value))

    def entropy(self) -> Tensor:
        """1 - log(rate), in nats."""
        return 1.0 - log(self.rate)

    def __repr__(self) -> str:
        rate = self.rate.detach()
        return f"Exponential(rate: {rate.item() if rate.numel() == 1 else rate.shape})"
