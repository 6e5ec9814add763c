"""The beta distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from npnet.distributions.distribution import Distribution, check_values, checked_parameters
from npnet.ops.exponentials import xlogy
from npnet.ops.special import digamma, lgamma
from npnet.random import default_generator
from npnet.tape import result
from npnet.tensor import Tensor, as_tensor

__all__ = ["Beta", "log_beta"]


class Beta(Distribution):
    """x**(a - 1) * (1 - x)**(b - 1) / B(a, b) on (0, 1), a concentration1, b concentration0.

    Samples have no gradients: PyTorch's come from a series that is not here.

    Args:
        concentration1, concentration0: numbers or tensors > 0, which are broadcast.
        validate_args: whether to check them and the argument of `log_prob`; default True.

    Raises:
        ValueError: one is not > 0, or a value lies outside of [0, 1].

    Example:
        >>> beta = npnet.distributions.Beta(1.0, 3.0)
        >>> beta.mean, beta.sample((5,)).shape
        (tensor(0.2500), (5,))
    """

    def __init__(
        self, concentration1: Any, concentration0: Any, validate_args: bool | None = None
    ) -> None:
        self._validate = validate_args is not False
        self.concentration1, self.concentration0 = checked_parameters(
            "Beta",
            self._validate,
            concentration1=concentration1,
            concentration0=concentration0,
        )
        for x in (self.concentration1, self.concentration0) if self._validate else ():
            check_values("Beta", "concentrations must be > 0", x.array > 0, x.array)
        self.batch_shape = self.concentration1.shape

    @property
    def _total(self) -> Tensor:
        return self.concentration1 + self.concentration0

    @property
    def mean(self) -> Tensor:
        """a / (a + b)."""
        return self.concentration1 / self._total

    @property
    def variance(self) -> Tensor:
        """a * b / ((a + b)**2 * (a + b + 1))."""
        total = self._total
        return self.concentration1 * self.concentration0 / (total * total * (total + 1))

    @property
    def stddev(self) -> Tensor:
        """The root of the variance."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw numbers, off the tape.  Shape: (*sample_shape, *batch_shape)."""
        a, b = self.concentration1.array, self.concentration0.array
        drawn = default_generator.numpy.beta(a, b, self._sample_shape(sample_shape))
        return result(drawn.astype(a.dtype))

    def log_prob(self, value: Any) -> Tensor:
        """(a - 1) log x + (b - 1) log(1 - x) - log B(a, b)."""
        x = as_tensor(value)
        if self._validate:
            inside = (x.array >= 0) & (x.array <= 1)
            check_values("Beta", "values must lie from 0 to 1", inside, x.array)
        a, b = self.concentration1, self.concentration0
        return xlogy(a - 1, x) + xlogy(b - 1, 1 - x) - log_beta(a, b)

    def entropy(self) -> Tensor:
        """log B(a, b) - (a - 1) psi(a) - (b - 1) psi(b) + (a + b - 2) psi(a + b), in nats."""
        a, b, total = self.concentration1, self.concentration0, self._total
        return (
            log_beta(a, b)
            - (a - 1) * digamma(a)
            - (b - 1) * digamma(b)
            + (total - 2) * digamma(total)
        )

    def __repr__(self) -> str:
        return "Beta()"


def log_beta(a: Tensor, b: Tensor) -> Tensor:
    """log B(a, b) = lgamma(a) + lgamma(b) - lgamma(a + b)."""
    return lgamma(a) + lgamma(b) - lgamma(a + b)
