"""Several independent distributions as one, of a sample with axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from npnet.distributions.distribution import Distribution
from npnet.tensor import Tensor

__all__ = ["Independent"]


class Independent(Distribution):
    """The last axes of a batch of distributions as one distribution over them all.

        log p(x) = the sum over those axes of log p_i(x_i)

    Args:
        base_distribution: the batch.
        reinterpreted_batch_ndims: how many of its last axes become those of a sample.
        validate_args: has no effect: the base checks its own.

    Raises:
        ValueError: the batch has fewer axes.

    Example:
        >>> normal = npnet.distributions.Normal(npnet.zeros(2, 3), 1.0)
        >>> image = npnet.distributions.Independent(normal, 1)
        >>> image.log_prob(npnet.zeros(2, 3)).shape
        (2,)
    """

    def __init__(
        self,
        base_distribution: Any,
        reinterpreted_batch_ndims: int,
        validate_args: bool | None = None,
    ) -> None:
        shape, count = tuple(base_distribution.batch_shape), reinterpreted_batch_ndims
        if not 0 <= count <= len(shape):
            raise ValueError(
                "Independent: reinterpreted_batch_ndims must be from 0 to the number of axes of "
                f"the base's batch, {len(shape)}; got {count}"
            )
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, count
        kept = len(shape) - count
        self.batch_shape = shape[:kept]
        self.event_shape = (*shape[kept:], *base_distribution.event_shape)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override] # it goes by the base
        """Whether samples of the base have gradients."""
        return bool(self.base_dist.has_rsample)

    @property
    def mean(self) -> Tensor:
        """The base's."""
        return self.base_dist.mean

    @property
    def mode(self) -> Tensor:
        """The base's."""
        return self.base_dist.mode

    @property
    def variance(self) -> Tensor:
        """The base's."""
        return self.base_dist.variance

    @property
    def stddev(self) -> Tensor:
        """The base's."""
        return self.base_dist.stddev

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw from the base, off the tape."""
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw from the base as a function of its parameters."""
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Any) -> Tensor:
        """The sum of the base's over the axes of a sample."""
        return self.summed(self.base_dist.log_prob(value))

    def entropy(self) -> Tensor:
        """The sum of the base's over the axes of a sample, in nats."""
        return self.summed(self.base_dist.entropy())

    def summed(self, x: Tensor) -> Tensor:
        """A quantity of the base summed over the axes that became a sample's."""
        count = self.reinterpreted_batch_ndims
        return x.sum(tuple(range(-count, 0))) if count else x

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"
